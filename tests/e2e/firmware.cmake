add_executable(mp-probe mp_probe.c)
target_link_libraries(mp-probe PRIVATE mcu_protocol_host)
mcu_e2e_test(firmware test_firmware.py)
mcu_e2e_test(mcu_link test_mcu_link.py)
