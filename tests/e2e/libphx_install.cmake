# libphx as others have it: installed, found, linked.
mcu_e2e_test(libphx_install test_libphx_install.py)
if(MCU_SANITIZE)
  set(libphx_flags "-fsanitize=address,undefined")
endif()
set_property(TEST libphx_install APPEND PROPERTY ENVIRONMENT
  "MCU_BUILD=${CMAKE_BINARY_DIR};MCU_CC=${CMAKE_C_COMPILER};MCU_FLAGS=${libphx_flags}")
