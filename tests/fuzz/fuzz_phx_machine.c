/* fuzz_phx_machine.c - bytes as a storm around the socket machine. */
#include "phx_storm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phx_storm_counts counts = {0};

    phx_storm(data, size, &counts);
    return 0;
}
