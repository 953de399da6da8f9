mcu_fuzz(fuzz_phxdev_http LIBS phxdev-core)
