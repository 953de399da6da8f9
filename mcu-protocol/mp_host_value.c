/*
 * Physical values: an integer on the wire times ten to the power of its exponent. Doubles are the
 * host's; a device only moves bits.
 */
#include "mp_host.h"

#include <math.h>

static double power_of_ten(int exponent)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                    1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    return powers[exponent];
}

double mp_value_to_physical(uint8_t type, int8_t exponent, union mp_value value)
{
    if (type == MP_TYPE_F32)
        return (double)value.f;
    /* Division by an exact power gives the double nearest to the decimal; a product would not. */
    return exponent < 0 ? value.i / power_of_ten(-exponent) : value.i * power_of_ten(exponent);
}

int mp_value_to_wire(uint8_t type, int8_t exponent, double physical, union mp_value *value)
{
    if (!isfinite(physical))
        return MP_ERR_BAD_VALUE;
    if (type == MP_TYPE_F32) {
        value->f = (float)physical;
        return mp_value_of_type(type, *value) ? MP_OK : MP_ERR_BAD_VALUE;
    }
    double scaled =
        exponent < 0 ? physical * power_of_ten(-exponent) : physical / power_of_ten(exponent);
    scaled = round(scaled);
    if (scaled < INT32_MIN || scaled > INT32_MAX)
        return MP_ERR_BAD_VALUE;
    value->i = (int32_t)scaled;
    return mp_value_of_type(type, *value) ? MP_OK : MP_ERR_BAD_VALUE;
}
