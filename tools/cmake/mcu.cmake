# What every component's CMakeLists.txt uses: warnings, sanitizers, hardening, and how tests are named.

option(MCU_SANITIZE "AddressSanitizer, UBSan and libFuzzer (needs clang)" OFF)
option(MCU_WERROR "Warnings are errors" OFF)

add_compile_options(-Wall -Wextra -Wconversion -Wswitch-enum -Wshadow -Wstrict-prototypes
                    -Wmissing-prototypes -Wvla)
if(MCU_WERROR)
  add_compile_options(-Werror)
endif()

if(MCU_SANITIZE)
  # fuzzer-no-link: a fuzz target sees what its inputs reach in the libraries too.
  add_compile_options(-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(NOT CMAKE_CROSSCOMPILING)
  add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection)
  add_link_options(-Wl,-z,relro,-z,now -Wl,-z,noexecstack)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  include(CheckPIESupported)
  check_pie_supported()
endif()

# Every executable of a build tree lands in BUILD/bin, where tests, tools/demo and tools/bench look.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# mcu_unit_test(NAME [SOURCES file...] [LIBS target...] [ARGS arg...])
# A cmocka test: NAME.c unless SOURCES says otherwise. The test runs in the source directory.
function(mcu_unit_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;ARGS" ${ARGN})
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name}.c)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} cmocka)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# mcu_fuzz(NAME [SOURCES file...] [LIBS target...])
# A libFuzzer target; ctest runs it over tests/fuzz/corpus/NAME. Without MCU_SANITIZE there is no
# libFuzzer, and the target is left out.
function(mcu_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  if(NOT MCU_SANITIZE)
    return()
  endif()
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name}.c)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
  add_test(NAME ${name}_corpus
           COMMAND ${name} -runs=0 ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(${name}_corpus PROPERTIES TIMEOUT 300)
endfunction()

# Started first, so that none of them runs alone at the end.
set(MCU_LONGEST bridge_boards bridge_main bridge_server bridge_spool firmware_atmega2560 firmware_atmega328p
                firmware_cortex_m3 firmware_process guide mcu_tool mismatch nerves_board soak update_interrupted
                update_refused update_taken_back upload_process usb_in_a_vm)

# mcu_e2e_test(NAME file.py [args...])
# A Python unittest file driving the real binaries, none of which outlives it. It finds them by MCU_BIN
# (BUILD/bin) and the emulated firmware by MCU_STUB_M3.
function(mcu_e2e_test name file)
  add_test(NAME ${name} COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/guard.py python3 ${file} -v ${ARGN}
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  if(name IN_LIST MCU_LONGEST)
    set(cost 100)
  else()
    set(cost 10) # they wait more than they work: ahead of the unit tests
  endif()
  set_tests_properties(${name} PROPERTIES
    TIMEOUT 600
    COST ${cost}
    LABELS e2e
    ENVIRONMENT "MCU_BIN=${CMAKE_BINARY_DIR}/bin;MCU_SOURCE=${CMAKE_SOURCE_DIR};MCU_STUB_M3=${CMAKE_SOURCE_DIR}/build/cortex-m3/bin/mcu-stub.elf;PYTHONDONTWRITEBYTECODE=1")
endfunction()
