# Profiles made of rules, and the shapes of uploads and controls.
mcu_unit_test(profile_rules_test LIBS bridge_core)
