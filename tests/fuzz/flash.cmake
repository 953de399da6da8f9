# What external flashers print.
mcu_fuzz(fuzz_flash_output LIBS bridge_flash bridge_utf8)
