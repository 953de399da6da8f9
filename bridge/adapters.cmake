# What the bridge is told and what it says: each stands alone.
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)

add_library(bridge_log STATIC log.c log_repeat.c)
target_link_libraries(bridge_log PUBLIC bridge_utf8)

add_library(bridge_config STATIC config.c config_check.c config_listen.c config_nerveshub.c config_screen.c
                                 config_secret.c config_table.c config_value.c config_yaml.c)
target_include_directories(bridge_config PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(bridge_config PUBLIC bridge_log PRIVATE bridge_flash_words PkgConfig::YAML)

pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
add_library(bridge_spool STATIC spool.c spool_db.c spool_file.c spool_sql.c spool_stream.c
                                spool_order.c spool_table.c spool_work.c)
target_compile_definitions(bridge_spool PRIVATE _GNU_SOURCE)
target_link_libraries(bridge_spool PUBLIC bridge_log PkgConfig::LIBUV PRIVATE PkgConfig::SQLITE)

install(FILES mcu-bridge.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR})
