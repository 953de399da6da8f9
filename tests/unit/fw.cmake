# Firmware files: every recorded verdict of fwup.
mcu_unit_test(fw_file_test LIBS bridge_fw)
mcu_unit_test(fw_image_test LIBS bridge_fw)
target_compile_definitions(fw_file_test PRIVATE _POSIX_C_SOURCE=200809L) # setenv
