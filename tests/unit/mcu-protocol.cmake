mcu_unit_test(mp_frame_test LIBS mcu_protocol)
mcu_unit_test(mp_msg_test LIBS mcu_protocol_host)
mcu_unit_test(mp_value_test LIBS mcu_protocol_host)
mcu_unit_test(mp_talk_test LIBS mp_sim)
