# The bridge's core, under any time and without I/O.
mcu_unit_test(profile_number_test LIBS bridge_core)
mcu_unit_test(profile_microcontrollers_test LIBS bridge_core)
mcu_unit_test(uplink_test LIBS bridge_core)
mcu_unit_test(commands_test LIBS bridge_core)
