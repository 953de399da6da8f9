mcu_e2e_test(bridge_ports test_bridge_ports.py)
