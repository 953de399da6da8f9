# The proof of the link: each program has a short form for ctest and a long one, which tools/check
# --long runs from the release build.
add_executable(mp_noise noise.c mp_noise.c)
target_link_libraries(mp_noise PRIVATE mcu_protocol_host test_args m pthread)
add_test(NAME mp_noise COMMAND mp_noise)
set_tests_properties(mp_noise PROPERTIES TIMEOUT 300)

add_executable(mp_exchange exchange.c mp_judge.c)
target_link_libraries(mp_exchange PRIVATE mp_sim test_args)
add_test(NAME mp_exchange COMMAND mp_exchange)
set_tests_properties(mp_exchange PROPERTIES TIMEOUT 300)
