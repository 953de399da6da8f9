# NervesHub and a certificate that is being replaced.
mcu_e2e_test(hub_certificate test_hub_certificate.py)
