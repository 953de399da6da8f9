# What NervesHub asks of a device.
mcu_unit_test(nh_auth_test LIBS bridge_nerveshub)
mcu_unit_test(nh_message_test LIBS bridge_nerveshub)
add_library(nh_update_rig STATIC nh_update_rig.c)
target_link_libraries(nh_update_rig PUBLIC bridge_nerveshub cmocka)
mcu_unit_test(nh_update_test LIBS nh_update_rig)
mcu_unit_test(nh_update_flash_test LIBS nh_update_rig)
mcu_unit_test(nh_store_test LIBS bridge_nerveshub_io)
target_compile_definitions(nh_store_test PRIVATE _DEFAULT_SOURCE) # mkdtemp
