mcu_fuzz(fuzz_control_update LIBS bridge_core)
mcu_fuzz(fuzz_metadata LIBS bridge_core)
