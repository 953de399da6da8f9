# Images are linked to run in slot RUN. mcu-stub.elf is what a new board comes with: the boot loader at
# address 0 and such an image behind it.
set(port ${CMAKE_CURRENT_LIST_DIR})
find_program(ARM_SIZE arm-none-eabi-size)

function(arm_executable name script)
  add_executable(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${port}/${script})
  target_include_directories(${name} PRIVATE app ${boot_folder} ${CMAKE_CURRENT_SOURCE_DIR} ${port})
  target_compile_options(${name} PRIVATE -fstack-usage)
  target_link_libraries(${name} PRIVATE mcu_protocol)
  target_link_options(${name} PRIVATE -nostartfiles -T${port}/${script})
  if(ARM_SIZE)
    add_custom_command(TARGET ${name} POST_BUILD COMMAND ${ARM_SIZE} $<TARGET_FILE:${name}>)
  endif()
endfunction()

set(boot_common ${port}/restart.c ${boot_folder}/boot_memory.c ${boot_folder}/boot_state.c)

# arm_image(NAME SOURCES DEFINITIONS...): to run in slot RUN; as an ELF file, and as the bytes of an upload.
function(arm_image name sources)
  arm_executable(${name} board.ld ${sources} ${port}/start.c ${port}/board.c
                 ${boot_folder}/boot_image.c ${boot_folder}/boot_store.c ${boot_common})
  target_compile_definitions(${name} PRIVATE FW_IMAGES=1 ${ARGN})
  target_link_options(${name} PRIVATE -Wl,--build-id=sha1)
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}> $<TARGET_FILE_DIR:${name}>/${name}.bin
    BYPRODUCTS ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name}.bin)
endfunction()

# arm_board(NAME IMAGE): a new board, with that image behind the boot loader.
function(arm_board name image)
  set(factory ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${image}.bin)
  set_property(SOURCE ${port}/factory.c APPEND PROPERTY OBJECT_DEPENDS ${factory})
  arm_executable(${name} boot.ld ${port}/boot_main.c ${port}/factory.c ${boot_folder}/boot.c
                 ${boot_common})
  target_compile_definitions(${name} PRIVATE FACTORY_IMAGE="${factory}")
  target_link_options(${name} PRIVATE -Wl,--build-id=none)
  add_dependencies(${name} ${image})
endfunction()

foreach(variant IN LISTS fw_variants)
  arm_image(mcu-stub-image${variant} "${app_sources}" ${fw_definitions${variant}})
endforeach()
arm_board(mcu-stub mcu-stub-image)

# For tests/e2e/test_cortex_m3.py.
arm_image(mcu-nap-image ${CMAKE_SOURCE_DIR}/tests/e2e/nap_board.c ${fw_definitions})
arm_board(mcu-nap mcu-nap-image)
