# What boards leave behind that leave the configuration.
mcu_e2e_test(hub_left test_hub_left.py)
