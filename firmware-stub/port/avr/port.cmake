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
set(atmega2560_memory FW_TX_BYTES=4096u FW_RX_BYTES=512u BOARD_RX_BYTES=256u BOARD_TX_BYTES=32u)

foreach(mcu atmega328p atmega2560)
  add_library(mcu_protocol_${mcu} STATIC ${protocol_sources})
  target_include_directories(mcu_protocol_${mcu} PUBLIC ${protocol_folder})
  target_compile_options(mcu_protocol_${mcu} PUBLIC -mmcu=${mcu})
  target_compile_definitions(mcu_protocol_${mcu} PUBLIC ${${mcu}_memory})
  target_link_options(mcu_protocol_${mcu} PUBLIC -mmcu=${mcu})

  add_executable(mcu-stub-${mcu} ${app_sources} ${port}/board.c)
  set_target_properties(mcu-stub-${mcu} PROPERTIES SUFFIX .elf LINK_DEPENDS ${port}/build_id.ld)
  target_include_directories(mcu-stub-${mcu} PRIVATE app ${CMAKE_CURRENT_SOURCE_DIR} ${port})
  target_compile_definitions(mcu-stub-${mcu} PRIVATE F_CPU=16000000ul)
  target_link_libraries(mcu-stub-${mcu} PRIVATE mcu_protocol_${mcu})
  # Stubs serve function pointers beyond 128 KiB; with them, ld 2.26 leaves the build id all zero.
  target_link_options(mcu-stub-${mcu} PRIVATE -Wl,--build-id=sha1 -Wl,-T,${port}/build_id.ld
                                              -Wl,--no-stubs)
  if(AVR_SIZE)
    add_custom_command(TARGET mcu-stub-${mcu} POST_BUILD
      COMMAND ${AVR_SIZE} -C --mcu=${mcu} $<TARGET_FILE:mcu-stub-${mcu}>)
  endif()
endforeach()

add_subdirectory(arduino)
