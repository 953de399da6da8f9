# pty also serves tools/mcu-link, and fw_app the unit tests, which bring a port of their own.
set(port ${CMAKE_CURRENT_LIST_DIR})
add_library(pty STATIC ${port}/pty.c)
target_include_directories(pty PUBLIC ${port})

add_library(fw_app STATIC ${app_sources})
target_include_directories(fw_app PUBLIC app ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(fw_app PUBLIC mcu_protocol)
target_compile_definitions(fw_app PUBLIC FW_IMAGES=1)

add_executable(mcu-stub ${port}/main.c ${port}/board.c ${port}/images.c ${boot_folder}/boot.c
               ${boot_folder}/boot_image.c ${boot_folder}/boot_memory.c ${boot_folder}/boot_state.c
               ${boot_folder}/boot_store.c)
target_include_directories(mcu-stub PRIVATE ${boot_folder} ${port})
target_compile_definitions(mcu-stub PRIVATE ${fw_definitions})
target_link_libraries(mcu-stub PRIVATE fw_app pty)
target_link_options(mcu-stub PRIVATE -Wl,--build-id=sha1)
include(GNUInstallDirs)
install(TARGETS mcu-stub)
install(FILES ${port}/mcu-stub.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
