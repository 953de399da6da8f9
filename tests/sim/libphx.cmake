# libphx against a model of a Phoenix server: eight days of faults in ctest, a hundred weeks in tools/check
# --long.
add_executable(phx_week phx_week.c phx_week_server.c)
target_link_libraries(phx_week PRIVATE phx test_args test_tables)
add_test(NAME phx_week COMMAND phx_week --seeds 2 --days 4)
set_tests_properties(phx_week PROPERTIES TIMEOUT 300)
