# What NervesHub asks of a device.
mcu_unit_test(nh_auth_test LIBS bridge_nerveshub)
mcu_unit_test(nh_message_test LIBS bridge_nerveshub)
mcu_unit_test(nh_update_test LIBS bridge_nerveshub)
mcu_unit_test(nh_store_test LIBS bridge_nerveshub_io)
target_compile_definitions(nh_store_test PRIVATE _DEFAULT_SOURCE) # mkdtemp
