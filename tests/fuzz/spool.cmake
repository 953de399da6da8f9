mcu_fuzz(fuzz_uplink_group LIBS bridge_core)
