# mcu-tool console on a terminal.
mcu_e2e_test(mcu_console test_mcu_console.py)
