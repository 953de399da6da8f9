# A request's headers, or a device's payloads, into phx-dev's NervesHub.
mcu_fuzz(fuzz_nerves LIBS phxdev-core)

# What a server says on console and extensions, and a board on its console.
mcu_fuzz(fuzz_nh_talk LIBS bridge_nerveshub)
