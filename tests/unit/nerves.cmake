# phx-dev's NervesHub against the bridge's signatures: two programs that share no code.
mcu_unit_test(nerves_auth_test LIBS phxdev-core bridge_nerveshub)

# What a device says beside its updates.
mcu_unit_test(nh_talk_test LIBS bridge_nerveshub)
target_compile_definitions(nh_talk_test PRIVATE _POSIX_C_SOURCE=200809L) # strdup
