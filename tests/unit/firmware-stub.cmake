mcu_unit_test(firmware_parts_test LIBS fw_app)
mcu_unit_test(firmware_app_test SOURCES firmware_app_test.c firmware_rig.c
              LIBS fw_app mcu_protocol_host)
