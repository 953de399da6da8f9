# A port and a flasher on a loop of their own.
add_library(port_rig STATIC port_rig.c)
target_link_libraries(port_rig PUBLIC bridge_lines test_board test_client cmocka)
target_compile_definitions(port_rig PUBLIC _GNU_SOURCE)
mcu_unit_test(port_test LIBS port_rig)
mcu_unit_test(port_lend_test LIBS port_rig)
mcu_unit_test(flasher_test LIBS bridge_flasher)
target_compile_definitions(flasher_test PRIVATE _GNU_SOURCE)
