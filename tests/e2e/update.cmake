# Updates from a NervesHub, from end to end: each kind of board.
mcu_e2e_test(update_process test_update.py Process)
mcu_e2e_test(update_cortex_m3 test_update.py CortexM3)
mcu_e2e_test(update_atmega2560 test_update.py ATmega2560)
mcu_e2e_test(update_arduino_mega test_update.py ArduinoMega)
mcu_e2e_test(update_together test_update.py Together)
