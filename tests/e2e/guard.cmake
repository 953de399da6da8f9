mcu_e2e_test(guard test_guard.py)
