# NervesHub behind an HTTP proxy.
mcu_e2e_test(hub_proxy test_hub_proxy.py)
