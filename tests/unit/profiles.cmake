# Profiles made of rules, and the shapes of uploads and controls.
mcu_unit_test(profile_rules_test LIBS bridge_core)

# Several lanes on one connection.
mcu_unit_test(seat_test SOURCES seat_test.c ${CMAKE_SOURCE_DIR}/bridge/lane/seat.c)
target_include_directories(seat_test PRIVATE ${CMAKE_SOURCE_DIR}/bridge)
target_compile_definitions(seat_test PRIVATE _POSIX_C_SOURCE=200809L)

# Whose turn it is.
mcu_unit_test(turn_test SOURCES turn_test.c ${CMAKE_SOURCE_DIR}/bridge/loop/turn.c)
target_include_directories(turn_test PRIVATE ${CMAKE_SOURCE_DIR}/bridge ${CMAKE_SOURCE_DIR}/mcu-protocol)
target_compile_definitions(turn_test PRIVATE _GNU_SOURCE)
