mcu_e2e_test(bridge_ports test_bridge_ports.py)
add_library(slow_lines MODULE slow_lines.c)
set_target_properties(slow_lines PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
target_link_libraries(slow_lines PRIVATE ${CMAKE_DL_LIBS})
