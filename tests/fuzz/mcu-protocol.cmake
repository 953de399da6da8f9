mcu_fuzz(fuzz_mp_frame LIBS mcu_protocol_host)
mcu_fuzz(fuzz_mp_msg LIBS mcu_protocol_host)
mcu_fuzz(fuzz_mp_link LIBS mcu_protocol_host)
mcu_fuzz(fuzz_mp_description LIBS mcu_protocol_host)
