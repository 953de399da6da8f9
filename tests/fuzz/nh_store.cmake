# What is read back from the folder for firmware.
mcu_fuzz(fuzz_nh_store LIBS bridge_nerveshub_io)
if(TARGET fuzz_nh_store)
  target_compile_definitions(fuzz_nh_store PRIVATE _DEFAULT_SOURCE) # mkdtemp
endif()
