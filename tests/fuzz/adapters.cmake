mcu_fuzz(fuzz_config LIBS bridge_config)
