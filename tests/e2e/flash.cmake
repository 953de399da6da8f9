# Flashing by an external program: with fakes, and avrdude with a real boot loader.
add_executable(flash_probe flash_probe.c)
target_compile_definitions(flash_probe PRIVATE _GNU_SOURCE)
target_link_libraries(flash_probe PRIVATE bridge_flash json_out)
mcu_e2e_test(flash_command test_flash_command.py)
mcu_e2e_test(flash_avrdude test_flash_avrdude.py)
# An emulated boot loader has to answer avrdude in real time.
set_tests_properties(flash_avrdude PROPERTIES RUN_SERIAL TRUE)
