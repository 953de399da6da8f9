# Readings on disk, and what goes to it and comes back.
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
mcu_unit_test(spool_test LIBS bridge_spool fault_vfs PkgConfig::SQLITE)
target_compile_definitions(spool_test PRIVATE _GNU_SOURCE)
mcu_unit_test(uplink_group_test LIBS bridge_core)
mcu_unit_test(uplink_spool_test LIBS bridge_core)
