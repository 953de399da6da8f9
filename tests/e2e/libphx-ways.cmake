# How libphx reaches a server: long polling, credentials, proxies, reverse proxies.
mcu_e2e_test(phx_poll test_phx_poll.py)
mcu_e2e_test(phx_ways test_phx_ways.py)
mcu_e2e_test(bridge_ways test_bridge_ways.py)
