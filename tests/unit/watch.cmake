# What keeps an eye on the bridge and on its commands.
mcu_unit_test(commands_fresh_test LIBS bridge_core)
mcu_unit_test(log_repeat_test LIBS bridge_log)
mcu_unit_test(watch_test LIBS bridge_watch)
mcu_unit_test(watch_http_test LIBS bridge_watch)
mcu_unit_test(profile_command_test LIBS bridge_core)
mcu_unit_test(config_listen_test LIBS bridge_config)
