mcu_fuzz(fuzz_mp_bulk LIBS mcu_protocol_host)
