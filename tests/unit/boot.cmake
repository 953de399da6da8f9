# The boot loader with a board of memory, for the unit test and the fuzz target.
set(boot ${CMAKE_SOURCE_DIR}/firmware-stub/boot)
add_library(boot_board STATIC boot_board/boot_board.c ${boot}/boot.c ${boot}/boot_image.c
            ${boot}/boot_state.c)
target_include_directories(boot_board PUBLIC boot_board ${boot} ${CMAKE_SOURCE_DIR}/firmware-stub)
target_link_libraries(boot_board PUBLIC mcu_protocol)
mcu_unit_test(boot_test LIBS boot_board)
mcu_unit_test(mp_image_test LIBS mcu_protocol_host)
