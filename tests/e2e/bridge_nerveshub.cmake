# Boards at phx-dev's NervesHub through mcu-bridge.
add_executable(talk-board talk_board.c)
target_link_libraries(talk-board PRIVATE test_board)
mcu_e2e_test(bridge_nerveshub test_bridge_nerveshub.py)
