# Firmware files.
mcu_fuzz(fuzz_fw_meta LIBS bridge_fw)
mcu_fuzz(fuzz_fw_file LIBS bridge_fw)
mcu_fuzz(fuzz_fw_image LIBS bridge_fw)
