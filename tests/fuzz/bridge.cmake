# The files under test are compiled in, so that they are instrumented.
set(bridge ${CMAKE_SOURCE_DIR}/bridge)
mcu_fuzz(fuzz_control_update
  SOURCES fuzz_control_update.c ${bridge}/commands.c ${bridge}/profile/microcontrollers.c
  LIBS bridge_core)
mcu_fuzz(fuzz_metadata SOURCES fuzz_metadata.c ${bridge}/profile/microcontrollers.c LIBS bridge_core)
