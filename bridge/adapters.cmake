# What the bridge is told and what it says: each stands alone.
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)

add_library(bridge_log STATIC log.c log_repeat.c)
target_link_libraries(bridge_log PUBLIC bridge_utf8)

add_library(bridge_config STATIC config.c config_check.c config_listen.c config_secret.c config_table.c config_value.c
                                 config_yaml.c)
target_include_directories(bridge_config PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(bridge_config PUBLIC bridge_log PRIVATE PkgConfig::YAML)

install(FILES mcu-bridge.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR})
