mcu_e2e_test(demo test_demo.py Demo)
