mcu_e2e_test(bridge_watch test_bridge_watch.py)
mcu_e2e_test(bridge_reload test_bridge_reload.py)
