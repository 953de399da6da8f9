/* Payloads of `update` and `scripts/run` from anyone: refused, or of a shape that the rest can use.
 */
#include "nerveshub/nh_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nh_offer offer;
    char shown[128];
    free(nh_encode_script_refused((const char *)data, size));
    if (nh_decode_offer((const char *)data, size, &offer) == NH_OFFER_GOOD) {
        if (strlen(offer.firmware.uuid) != NH_UUID_TEXT - 1 || offer.part_count > NH_PARTS_MAX)
            abort();
        nh_url_shown(offer.url, shown, sizeof(shown));
    }
    return 0;
}
