mcu_e2e_test(bridge_main test_bridge_main.py)
mcu_e2e_test(bridge_server test_bridge_server.py)
