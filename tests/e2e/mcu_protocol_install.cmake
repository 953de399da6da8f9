# mcu-protocol as others have it: installed, included from C++ too, found, linked.
mcu_e2e_test(mcu_protocol_install test_mcu_protocol_install.py)
if(MCU_SANITIZE)
  set(mcu_protocol_flags "-fsanitize=address,undefined")
endif()
set_property(TEST mcu_protocol_install APPEND PROPERTY ENVIRONMENT
  "MCU_BUILD=${CMAKE_BINARY_DIR};MCU_CC=${CMAKE_C_COMPILER};MCU_FLAGS=${mcu_protocol_flags}")
