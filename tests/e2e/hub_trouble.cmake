# NervesHub when things go wrong, or when somebody means harm. They wait more than they work: several at once.
mcu_e2e_test(fw_hostile test_fw_hostile.py)
mcu_e2e_test(update_killed test_update_trouble.py Killed ServerGone)
mcu_e2e_test(update_cut test_update_trouble.py Cut CablePulled)
mcu_e2e_test(update_refused test_update_trouble.py BadFirmware Corrupt DiskFull)
mcu_e2e_test(update_secrets test_update_trouble.py Secrets Redirected)
mcu_e2e_test(update_taken_back test_update_trouble.py DoesNotRun Emulated)
mcu_e2e_test(update_campaign test_update_trouble.py Campaign)
