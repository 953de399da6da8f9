# One board at phx-dev's NervesHub, from the offer to the hello.
add_executable(board_probe board_probe.c board_probe_board.c)
target_compile_definitions(board_probe PRIVATE _GNU_SOURCE)
target_link_libraries(board_probe PRIVATE bridge_nerveshub_board json_out orders)
target_link_options(board_probe PRIVATE -Wl,--wrap=fsync,--wrap=rename,--wrap=unlink,--wrap=unlinkat)
mcu_e2e_test(nerves_board test_nerves_board.py)
