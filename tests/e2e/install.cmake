mcu_e2e_test(install test_install.py)
