# One identity at phx-dev's NervesHub.
add_executable(nerves_probe nerves_probe.c)
target_compile_definitions(nerves_probe PRIVATE _GNU_SOURCE)
target_link_libraries(nerves_probe PRIVATE bridge_nerveshub_device orders)
mcu_e2e_test(nerves_device test_nerves_device.py)
