# The image, linked from address 0, with its size printed and stack use noted beside each object.
set(port ${CMAKE_CURRENT_LIST_DIR})
add_executable(mcu-stub ${app_sources} ${port}/start.c ${port}/board.c ${port}/image.c)
set_target_properties(mcu-stub PROPERTIES SUFFIX .elf LINK_DEPENDS ${port}/board.ld)
target_include_directories(mcu-stub PRIVATE app ${CMAKE_CURRENT_SOURCE_DIR} ${port})
target_compile_definitions(mcu-stub PRIVATE FW_IMAGES=1 ${fw_definitions})
target_compile_options(mcu-stub PRIVATE -fstack-usage)
target_link_libraries(mcu-stub PRIVATE mcu_protocol)
target_link_options(mcu-stub PRIVATE -nostartfiles -Wl,--build-id=sha1
                                     -T${port}/board.ld)
find_program(ARM_SIZE arm-none-eabi-size)
if(ARM_SIZE)
  add_custom_command(TARGET mcu-stub POST_BUILD COMMAND ${ARM_SIZE} $<TARGET_FILE:mcu-stub>)
endif()
