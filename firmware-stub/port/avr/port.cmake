# Two images of one source: an Arduino Uno's ATmega328P and a Mega's ATmega2560, both at 16 MHz.
set(port ${CMAKE_CURRENT_LIST_DIR})
find_program(AVR_SIZE avr-size)

# The host's way of building the library once does not do: the two cores differ.
get_target_property(protocol_sources mcu_protocol SOURCES)
get_target_property(protocol_folder mcu_protocol SOURCE_DIR)
list(TRANSFORM protocol_sources PREPEND ${protocol_folder}/)
set_target_properties(mcu_protocol PROPERTIES EXCLUDE_FROM_ALL ON)

# What the sample device makes of the memory: 2 KiB and 8 KiB of RAM.
set(atmega328p_memory FW_MAX_BODY=64u FW_TX_BYTES=360u "FW_RX_BYTES=MP_LINK_RX_MIN(64)"
    FW_SAMPLE_US=500000u FW_CHUNK=16u FW_CONSOLE_LINE=32 BOARD_RX_BYTES=64u BOARD_TX_BYTES=16u)
set(atmega2560_memory FW_TX_BYTES=3584u FW_RX_BYTES=1024u BOARD_RX_BYTES=256u BOARD_TX_BYTES=32u
    FW_IMAGES=1)

set(atmega328p_ram 0x800100)
set(atmega2560_ram 0x800200)

# The ATmega2560 takes updates: its boot section programs the flash. It is linked by itself; images
# find boot_program_page behind its first entry (boot_map.h).
set(atmega2560_updates ${port}/image.c ${port}/boot_port.c ${boot_folder}/boot_image.c
    ${boot_folder}/boot_state.c)
set(boot_section 0x3e000)
set(boot_program_page 0x3e004)

function(avr_size target mcu)
  if(AVR_SIZE)
    add_custom_command(TARGET ${target} POST_BUILD
      COMMAND ${AVR_SIZE} -C --mcu=${mcu} $<TARGET_FILE:${target}>)
  endif()
endfunction()

# add_firmware(MCU VARIANT): the image as an ELF file and, to be uploaded, as its bytes.
function(add_firmware mcu variant)
  set(name mcu-stub-${mcu}${variant})
  add_executable(${name} ${app_sources} ${port}/board.c ${${mcu}_updates})
  set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${port}/build_id.ld)
  target_include_directories(${name} PRIVATE app ${boot_folder} ${CMAKE_CURRENT_SOURCE_DIR} ${port})
  target_compile_definitions(${name} PRIVATE F_CPU=16000000ul ${fw_definitions${variant}})
  target_link_libraries(${name} PRIVATE mcu_protocol_${mcu})
  # Stubs serve function pointers beyond 128 KiB; with them, ld 2.26 leaves the build id all zero.
  # The first two bytes of RAM are board_restarting.
  math(EXPR data "${${mcu}_ram} + 2" OUTPUT_FORMAT HEXADECIMAL)
  target_link_options(${name} PRIVATE -Wl,--build-id=sha1 -Wl,-T,${port}/build_id.ld
    -Wl,--no-stubs -Wl,--section-start=.data=${data}
    -Wl,--defsym=boot_program_page=${boot_program_page})
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}>
            $<TARGET_FILE_DIR:${name}>/${name}.bin
    BYPRODUCTS ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name}.bin)
  avr_size(${name} ${mcu})
endfunction()

foreach(mcu atmega328p atmega2560)
  add_library(mcu_protocol_${mcu} STATIC ${protocol_sources})
  target_include_directories(mcu_protocol_${mcu} PUBLIC ${protocol_folder})
  target_compile_options(mcu_protocol_${mcu} PUBLIC -mmcu=${mcu})
  target_compile_definitions(mcu_protocol_${mcu} PUBLIC ${${mcu}_memory})
  target_link_options(mcu_protocol_${mcu} PUBLIC -mmcu=${mcu})
endforeach()
add_firmware(atmega328p "")
foreach(variant IN LISTS fw_variants)
  add_firmware(atmega2560 "${variant}")
endforeach()

# What gcc and its library do by a table or a pointer does not reach beyond 128 KiB.
add_executable(mcu-boot-atmega2560 ${port}/boot_main.c ${port}/boot_port.c ${boot_folder}/boot.c
               ${boot_folder}/boot_state.c)
set_target_properties(mcu-boot-atmega2560 PROPERTIES SUFFIX .elf)
target_include_directories(mcu-boot-atmega2560 PRIVATE app ${boot_folder} ${port})
target_compile_definitions(mcu-boot-atmega2560 PRIVATE F_CPU=16000000ul)
target_compile_options(mcu-boot-atmega2560 PRIVATE -mno-call-prologues -fno-jump-tables)
target_link_libraries(mcu-boot-atmega2560 PRIVATE mcu_protocol_atmega2560)
target_link_options(mcu-boot-atmega2560 PRIVATE -nostartfiles
                    -Wl,--section-start=.text=${boot_section} -Wl,-T,${port}/boot_check.ld)
avr_size(mcu-boot-atmega2560 atmega2560)

add_subdirectory(arduino)
