mcu_e2e_test(help test_help.py)
