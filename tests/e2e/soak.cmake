# Many boards, and everything that goes wrong in a lab, for a minute; test_soak.py --seconds for longer.
add_executable(soak-boards soak_boards.c)
target_link_libraries(soak-boards PRIVATE test_board)
mcu_e2e_test(soak test_soak.py)
