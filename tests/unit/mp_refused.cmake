mcu_unit_test(mp_refused_test LIBS mp_sim)
