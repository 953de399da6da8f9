# What NervesHub says to a device.
mcu_fuzz(fuzz_nh_message LIBS bridge_nerveshub)
