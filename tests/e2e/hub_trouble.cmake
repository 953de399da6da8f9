# NervesHub when things go wrong, or when somebody means harm.
mcu_e2e_test(fw_hostile test_fw_hostile.py)
mcu_e2e_test(update_interrupted test_update_trouble.py Killed ServerGone Cut CablePulled)
mcu_e2e_test(update_refused test_update_trouble.py BadFirmware Corrupt DiskFull Secrets Redirected)
mcu_e2e_test(update_taken_back test_update_trouble.py DoesNotRun Emulated)
mcu_e2e_test(update_campaign test_update_trouble.py Campaign)
