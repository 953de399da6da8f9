# Bytes from a peer into phx-dev's WebSocket parser and socket machine.
mcu_fuzz(fuzz_phxdev_frame LIBS phxdev-core)
