mcu_unit_test(phx_json_test LIBS phx)
mcu_unit_test(phx_frame_test LIBS phx)
mcu_unit_test(phx_machine_test SOURCES phx_machine_test.c phx_rig.c LIBS phx)
mcu_unit_test(phx_channel_test SOURCES phx_channel_test.c phx_rig.c LIBS phx)
