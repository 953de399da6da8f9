# What keeps an eye on the bridge and on its commands.
mcu_unit_test(commands_fresh_test LIBS bridge_core)
