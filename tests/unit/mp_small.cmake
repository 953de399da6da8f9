mcu_unit_test(mp_small_test LIBS mp_sim)
