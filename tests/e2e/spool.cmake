mcu_e2e_test(bridge_spool test_bridge_spool.py)
