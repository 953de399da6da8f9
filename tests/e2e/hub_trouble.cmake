# NervesHub when things go wrong, or when somebody means harm.
mcu_e2e_test(fw_hostile test_fw_hostile.py)
