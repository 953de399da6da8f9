# phx-dev's NervesHub against the bridge's signatures: two programs that share no code.
mcu_unit_test(nerves_auth_test LIBS phxdev-core bridge_nerveshub)
