mcu_fuzz(fuzz_watch_http SOURCES fuzz_watch_http.c ${CMAKE_SOURCE_DIR}/bridge/watch_http.c LIBS bridge_watch)
