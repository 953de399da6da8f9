# Firmware files: the tool that makes and shows them.
mcu_e2e_test(mkfw test_mkfw.py)

# And how they come from a server.
add_executable(download_probe download_probe.c)
target_compile_definitions(download_probe PRIVATE _GNU_SOURCE)
target_link_libraries(download_probe PRIVATE bridge_nerveshub_io)
mcu_e2e_test(firmware_download test_firmware_download.py)
