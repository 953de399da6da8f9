# The boot loader, and how a host knows an image.
mcu_fuzz(fuzz_boot LIBS boot_board)
mcu_fuzz(fuzz_mp_image LIBS mcu_protocol_host)
