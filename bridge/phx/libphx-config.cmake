# find_package(libphx) gives phx::phx (static) and phx::phx_shared.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(PHX REQUIRED IMPORTED_TARGET libwebsockets libuv openssl)
include(${CMAKE_CURRENT_LIST_DIR}/libphx-targets.cmake)
