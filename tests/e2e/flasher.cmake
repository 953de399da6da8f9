# A board's port and what brings firmware over it, by themselves.
add_executable(flasher_probe flasher_probe.c)
target_compile_definitions(flasher_probe PRIVATE _GNU_SOURCE)
target_link_libraries(flasher_probe PRIVATE bridge_lines)
