mcu_e2e_test(cortex_m3 test_cortex_m3.py)
