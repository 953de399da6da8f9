pkg_check_modules(PHX_PROBE_UV REQUIRED IMPORTED_TARGET libuv)
add_executable(phx_probe phx_probe.c)
target_compile_definitions(phx_probe PRIVATE _GNU_SOURCE)
target_link_libraries(phx_probe PRIVATE phx PkgConfig::PHX_PROBE_UV)
