mcu_e2e_test(bridge_watch test_bridge_watch.py)
