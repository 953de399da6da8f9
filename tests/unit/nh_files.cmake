# Firmware files of boards: judged, taken apart, kept.
mcu_unit_test(nh_files_test SOURCES nh_files_test.c ${CMAKE_SOURCE_DIR}/tools/mkfw/pack.c
              LIBS bridge_nerveshub_io bridge_fw PkgConfig::ARCHIVE PkgConfig::SODIUM)
target_include_directories(nh_files_test PRIVATE ${CMAKE_SOURCE_DIR}/tools/mkfw)
target_compile_definitions(nh_files_test PRIVATE _DEFAULT_SOURCE) # mkdtemp
