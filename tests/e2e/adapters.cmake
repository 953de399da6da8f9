mcu_e2e_test(mcu_tool test_mcu_tool.py)
mcu_e2e_test(config test_config.py)
