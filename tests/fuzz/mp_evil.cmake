mcu_fuzz(fuzz_mp_evil LIBS mcu_protocol_host m)
