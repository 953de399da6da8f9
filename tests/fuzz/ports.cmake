mcu_fuzz(fuzz_uevent LIBS bridge_serial)
