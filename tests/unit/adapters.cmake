# What the bridge is told, what it says, and its serial lines on real PTYs.
mcu_unit_test(log_test LIBS bridge_log)
mcu_unit_test(config_test LIBS bridge_config)
mcu_unit_test(config_file_test LIBS bridge_config)
mcu_unit_test(serial_test LIBS bridge_serial util)
