mcu_e2e_test(mismatch test_mismatch.py)
