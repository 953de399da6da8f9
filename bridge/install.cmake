# Where the daemon goes beside its program and its manual: a service, its user, and an example of udev
# rules; `cmake --install BUILD --component service` brings these alone. The paths in the unit are
# those of the prefix at installation, /etc for /usr. Elsewhere than in /usr systemd's folders are below
# the prefix too, so that nothing outside of it is touched; link them from there.
include(GNUInstallDirs)
set(MCU_SYSTEMD_DIR lib CACHE STRING "Where systemd and sysusers.d lie, below the prefix")
install(CODE "
  set(MCU_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(MCU_SYSCONFDIR \"\${CMAKE_INSTALL_PREFIX}/etc\")
  if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
    set(MCU_SYSCONFDIR /etc)
  endif()
  # A folder of its own: two may install at a time, to different places.
  string(RANDOM LENGTH 12 MCU_UNIT)
  set(MCU_UNIT \"${CMAKE_CURRENT_BINARY_DIR}/unit-\${MCU_UNIT}\")
  configure_file(\"${CMAKE_CURRENT_SOURCE_DIR}/systemd/mcu-bridge.service.in\"
                 \"\${MCU_UNIT}/mcu-bridge.service\" @ONLY)
  file(INSTALL \"\${MCU_UNIT}/mcu-bridge.service\"
       DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${MCU_SYSTEMD_DIR}/systemd/system\")
  file(REMOVE_RECURSE \"\${MCU_UNIT}\")"
  COMPONENT service)
install(FILES systemd/mcu-bridge.sysusers DESTINATION ${MCU_SYSTEMD_DIR}/sysusers.d
        RENAME mcu-bridge.conf COMPONENT service)
install(FILES systemd/60-mcu-bridge.rules DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT service)
