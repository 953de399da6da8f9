# What a user of libphx decides.
mcu_e2e_test(phx_decides test_phx_decides.py)
