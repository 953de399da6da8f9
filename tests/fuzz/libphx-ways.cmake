mcu_fuzz(fuzz_phx_poll_body LIBS phx)
mcu_fuzz(fuzz_phx_proxy LIBS phx)
