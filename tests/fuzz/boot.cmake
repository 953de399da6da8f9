mcu_fuzz(fuzz_boot LIBS boot_board)
