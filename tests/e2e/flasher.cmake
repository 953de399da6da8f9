# A board's port and what brings firmware over it, by themselves.
add_executable(flasher_probe flasher_probe.c)
target_compile_definitions(flasher_probe PRIVATE _GNU_SOURCE)
target_link_libraries(flasher_probe PRIVATE bridge_flasher orders test_client)
mcu_e2e_test(flasher_process test_flasher.py Process)
mcu_e2e_test(flasher_cortex_m3 test_flasher.py CortexM3)
mcu_e2e_test(flasher_atmega2560 test_flasher.py ATmega2560)
mcu_e2e_test(flasher_command test_flasher.py Command)
