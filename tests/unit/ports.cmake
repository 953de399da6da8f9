# Which line is meant, when to look for it, and what one board may cost the others.
mcu_unit_test(serial_usb_test LIBS bridge_serial)
mcu_unit_test(serial_watch_test LIBS bridge_serial)
mcu_unit_test(port_guard_test LIBS bridge_port)
mcu_unit_test(port_say_test LIBS bridge_port)
