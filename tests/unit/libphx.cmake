pkg_check_modules(PHX_TEST_CJSON REQUIRED IMPORTED_TARGET libcjson)

add_library(phx_rig STATIC phx_rig.c)
target_link_libraries(phx_rig PUBLIC phx test_tables cmocka)

mcu_unit_test(phx_json_test LIBS phx test_tables)
mcu_unit_test(phx_frame_test LIBS phx)
mcu_unit_test(phx_machine_test LIBS phx_rig)
mcu_unit_test(phx_channel_test LIBS phx_rig)
mcu_unit_test(phx_replay_test SOURCES phx_replay_test.c phx_replay.c
              LIBS phx_rig PkgConfig::PHX_TEST_CJSON)
mcu_unit_test(phx_storm_test SOURCES phx_storm_test.c ../fuzz/phx_storm.c ../fuzz/phx_storm_frames.c LIBS phx test_tables)
mcu_unit_test(phx_judge_test LIBS phx)
mcu_unit_test(phx_push_test LIBS phx_rig)
mcu_unit_test(phx_retry_test LIBS phx_rig)
mcu_unit_test(phx_presence_test LIBS phx PkgConfig::PHX_TEST_CJSON)
mcu_unit_test(phx_leave_test LIBS phx_rig)
