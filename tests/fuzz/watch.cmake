mcu_fuzz(fuzz_watch_http LIBS bridge_watch)
