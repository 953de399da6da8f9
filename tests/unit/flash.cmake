# Flashing by an external program: its words, and what it prints.
mcu_unit_test(flash_argv_test LIBS bridge_flash)
mcu_unit_test(flash_progress_test LIBS bridge_flash)
