mcu_unit_test(mp_console_test LIBS mp_sim)
