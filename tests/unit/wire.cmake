mcu_unit_test(mp_wire_test LIBS mp_sim)
