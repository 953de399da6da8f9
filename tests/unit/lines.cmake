# A port and a flasher on a loop of their own.
mcu_unit_test(port_test LIBS bridge_lines)
target_compile_definitions(port_test PRIVATE _GNU_SOURCE)
mcu_unit_test(flasher_test LIBS bridge_lines)
target_compile_definitions(flasher_test PRIVATE _GNU_SOURCE)
