mcu_unit_test(mp_talk_test LIBS mp_sim)
