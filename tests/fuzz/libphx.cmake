mcu_fuzz(fuzz_phx_json LIBS phx)
mcu_fuzz(fuzz_phx_frame LIBS phx)
mcu_fuzz(fuzz_phx_machine SOURCES fuzz_phx_machine.c phx_storm.c LIBS phx)
