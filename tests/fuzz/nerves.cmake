# A request's headers, or a device's payloads, into phx-dev's NervesHub.
mcu_fuzz(fuzz_nerves LIBS phxdev-core)
