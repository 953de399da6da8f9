# How libphx reaches a server: long polling.
mcu_e2e_test(phx_poll test_phx_poll.py)
