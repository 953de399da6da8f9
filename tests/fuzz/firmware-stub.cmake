set(firmware ${CMAKE_SOURCE_DIR}/firmware-stub)
mcu_fuzz(fuzz_fw_console
  SOURCES fuzz_fw_console.c ${CMAKE_SOURCE_DIR}/tests/unit/firmware_rig.c ${firmware}/app/fw_app.c
          ${firmware}/app/fw_console.c ${firmware}/app/fw_plant.c ${firmware}/app/fw_text.c
  LIBS mcu_protocol_host cmocka)
if(TARGET fuzz_fw_console)
  target_include_directories(fuzz_fw_console PRIVATE ${firmware} ${firmware}/app
                                                     ${CMAKE_SOURCE_DIR}/tests/unit)
endif()
