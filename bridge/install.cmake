# Where the daemon goes beside its program and its manual: a service, its user, and an example of udev
# rules. Elsewhere than in /usr the service manager's folders are below the prefix too, so that
# nothing outside of it is touched; link them from there.
include(GNUInstallDirs)
configure_file(systemd/mcu-bridge.service.in mcu-bridge.service @ONLY)
set(MCU_SYSTEMD_DIR lib CACHE STRING "Where systemd, sysusers.d and udev lie, below the prefix")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mcu-bridge.service
        DESTINATION ${MCU_SYSTEMD_DIR}/systemd/system)
install(FILES systemd/mcu-bridge.sysusers DESTINATION ${MCU_SYSTEMD_DIR}/sysusers.d
        RENAME mcu-bridge.conf)
install(FILES systemd/60-mcu-bridge.rules DESTINATION ${CMAKE_INSTALL_DOCDIR})
