# What is said to NervesHub, against the rules of the recorded servers as phx-dev keeps them.
mcu_unit_test(nh_storm_test LIBS phxdev-core bridge_nerveshub)
mcu_unit_test(nh_said_test LIBS phxdev-core bridge_nerveshub)
