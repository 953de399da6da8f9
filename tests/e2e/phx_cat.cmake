# A Phoenix application from a shell.
mcu_e2e_test(phx_cat test_phx_cat.py)
