# Servers that name nothing.
mcu_e2e_test(bridge_profiles test_bridge_profiles.py)
