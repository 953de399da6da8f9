# Flashing by an external program: its words, what it prints, its claim of a port.
mcu_unit_test(flash_argv_test LIBS bridge_flash)
mcu_unit_test(flash_progress_test LIBS bridge_flash)
mcu_unit_test(flash_claim_test LIBS bridge_flash)
