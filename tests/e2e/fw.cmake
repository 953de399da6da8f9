# Firmware files: the tool that makes and shows them.
mcu_e2e_test(mkfw test_mkfw.py)
