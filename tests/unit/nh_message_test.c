/* What is said to NervesHub is what recorded servers took, and what they said is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nerveshub/nh_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAIN_OFFER                                                                                 \
    "{\"update_available\":true,\"firmware_url\":\"http://localhost:4300/firmware/1/"              \
    "2cc211b5.fw\","                                                                               \
    "\"firmware_meta\":{\"architecture\":\"avr8\",\"author\":\"lab\",\"description\":\"lab "       \
    "firmware two\","                                                                              \
    "\"misc\":null,\"platform\":\"avr\",\"product\":\"mcu-bridge-lab\","                           \
    "\"uuid\":\"2CC211B5-e7c5-5b9c-b678-c70df78babe5\",\"vcs_identifier\":null,\"version\":\"1.1." \
    "0\"}"

#define CHECKSUM "8D1A5F343CCCFF0FAE6B36C21DC17EAEA14EBCA2C3E2ED8A0739DDD2D0AE3CBA"

static struct nh_offer offer;

static enum nh_offer_verdict decode(const char *payload)
{
    return nh_decode_offer(payload, strlen(payload), &offer);
}

static void both_generations_of_offers_are_understood(void **state)
{
    (void)state;
    assert_int_equal(decode(MAIN_OFFER ",\"size\":5279,\"checksum\":\"" CHECKSUM
                                       "\",\"partials_checksums\":[\"" CHECKSUM
                                       "\"],\"deployment_id\":null}"),
                     NH_OFFER_GOOD);
    assert_int_equal(offer.server, NH_MAIN);
    assert_string_equal(offer.firmware.uuid, "2cc211b5-e7c5-5b9c-b678-c70df78babe5");
    assert_string_equal(offer.firmware.misc, "");
    assert_int_equal(offer.size, 5279);
    assert_int_equal(offer.part_count, 1);
    assert_string_equal(offer.checksum, offer.parts[0]);
    assert_memory_equal(offer.checksum, "8d1a", 4);

    assert_int_equal(decode(MAIN_OFFER ",\"deployment_id\":1}"), NH_OFFER_GOOD);
    assert_int_equal(offer.server, NH_RELEASE_2_4);
    assert_int_equal(offer.size, 0);
    assert_int_equal(offer.part_count, 0);
}

static void an_offer_of_nothing_and_a_misshaped_one_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"update_available\":false}"), NH_OFFER_NONE);
    assert_int_equal(decode("{}"), NH_OFFER_NONE);
    assert_int_equal(decode("[]"), NH_OFFER_BAD);
    assert_int_equal(decode("{\"update_available\":true}"), NH_OFFER_BAD);
    assert_int_equal(decode(MAIN_OFFER ",\"size\":-1}"), NH_OFFER_BAD);
    assert_int_equal(decode(MAIN_OFFER ",\"checksum\":\"xyz\"}"), NH_OFFER_BAD);
    assert_int_equal(decode(MAIN_OFFER ",\"partials_checksums\":[1]}"), NH_OFFER_BAD);
}

/* It becomes the name of a file. */
static void what_is_named_by_no_uuid_is_refused(void **state)
{
    static const char *const names[] = {"../../../../../../../tmp/2cc211b5-e7c", "2cc211b5",
                                        "2cc211b5-e7c5-5b9c-b678-c70df78babeg", "",
                                        "2cc211b5-e7c5-5b9c-b678-c70df78babe5"};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        char json[256];
        snprintf(json, sizeof(json),
                 "{\"update_available\":true,\"firmware_url\":\"https://a/b\","
                 "\"firmware_meta\":{\"uuid\":\"%s\",\"product\":\"p\",\"version\":\"1\","
                 "\"platform\":\"avr\",\"architecture\":\"avr8\"}}",
                 names[i]);
        assert_int_equal(decode(json), i < 4 ? NH_OFFER_BAD : NH_OFFER_GOOD);
    }
}

static void an_address_that_is_no_web_address_is_refused(void **state)
{
    (void)state;
    assert_int_equal(
        decode("{\"update_available\":true,\"firmware_url\":\"file:///etc/shadow\","
               "\"firmware_meta\":{\"uuid\":\"2cc211b5-e7c5-5b9c-b678-c70df78babe5\"}}"),
        NH_OFFER_BAD);
    assert_int_equal(
        decode("{\"update_available\":true,\"firmware_url\":\"http://a/ b\","
               "\"firmware_meta\":{\"uuid\":\"2cc211b5-e7c5-5b9c-b678-c70df78babe5\"}}"),
        NH_OFFER_BAD);
}

static void a_join_has_all_five_or_is_not_made(void **state)
{
    (void)state;
    struct nh_firmware firmware = {.uuid = "206d2695-f7b3-5efd-05c8-5d40adeac947",
                                   .product = "p",
                                   .version = "1",
                                   .platform = "avr",
                                   .architecture = "avr8"};
    struct nh_join join = {.firmware = &firmware};
    struct nh_firmware again;
    char *packed = nh_firmware_pack(&firmware);
    memset(&again, 'x', sizeof(again));
    nh_firmware_unpack(packed, &again);
    free(packed);
    join.firmware = &again;
    char *text = nh_encode_join(&join);
    assert_string_equal(
        text,
        "{\"nerves_fw_uuid\":\"206d2695-f7b3-5efd-05c8-5d40adeac947\",\"nerves_fw_product\":\"p\","
        "\"nerves_fw_version\":\"1\",\"nerves_fw_platform\":\"avr\",\"nerves_fw_architecture\":"
        "\"avr8\","
        "\"device_api_version\":\"2.3.0\",\"console_version\":\"2.0.0\","
        "\"meta\":{\"firmware_validated\":true,\"firmware_auto_revert_detected\":false}}");
    free(text);
    join.firmware = &firmware;
    join.downloading_uuid = "2cc211b5-e7c5-5b9c-b678-c70df78babe5";
    text = nh_encode_join(&join);
    assert_non_null(strstr(text, "\"currently_downloading_uuid\":\"2cc211b5-"));
    free(text);
    char *needed[] = {firmware.uuid, firmware.product, firmware.version, firmware.platform,
                      firmware.architecture};
    for (size_t i = 0; i < 5; i++) {
        char first = needed[i][0];
        needed[i][0] = '\0';
        assert_null(nh_encode_join(&join));
        needed[i][0] = first;
    }
}

static void says(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void statuses_are_words_that_crash_no_channel(void **state)
{
    (void)state;
    says(nh_encode_status(NH_MAIN, NH_RECEIVED, NULL), "{\"status\":\"received\"}");
    says(nh_encode_status(NH_MAIN, NH_COMPLETED, NULL), "{\"status\":\"completed\"}");
    says(nh_encode_status(NH_MAIN, NH_FAILED, "no room"),
         "{\"status\":\"failed\",\"reason\":\"no room\"}");
    says(nh_encode_status(NH_RELEASE_2_4, NH_FAILED, "no room"),
         "{\"status\":\"fwup error: no room\"}");
    says(nh_encode_status(NH_RELEASE_2_4, NH_UPDATING, NULL), "{\"status\":\"updating\"}");
    says(nh_encode_status(NH_MAIN, NH_FAILED, "a\xff z"),
         "{\"status\":\"failed\",\"reason\":\"a\xef\xbf\xbd z\"}");
}

static void progress_is_a_plain_integer(void **state)
{
    (void)state;
    says(nh_encode_progress(0, NH_DOWNLOADING), "{\"value\":0,\"stage\":\"downloading\"}");
    says(nh_encode_progress(100, NH_UPDATING), "{\"value\":100,\"stage\":\"updating\"}");
    says(nh_encode_progress(700, NH_UPDATING), "{\"value\":100,\"stage\":\"updating\"}");
}

static void a_script_is_refused_and_its_text_goes_nowhere(void **state)
{
    (void)state;
    const char *question = "{\"ref\":\"b3/4+Q\",\"text\":\"rm -rf /\",\"timeout\":5}";
    says(nh_encode_script_refused(question, strlen(question)),
         "{\"ref\":\"b3/4+Q\",\"result\":\"error\",\"output\":\"not supported\",\"return\":\"\"}");
    assert_null(nh_encode_script_refused("{}", 2));
    assert_null(nh_encode_script_refused("{\"ref\":7}", 9));
}

static void a_shown_address_holds_no_credential(void **state)
{
    (void)state;
    char shown[64];
    nh_url_shown("https://user:pw@s3.example.org/fw/1.fw?X-Amz-Signature=abc#f", shown,
                 sizeof(shown));
    assert_string_equal(shown, "s3.example.org/fw/1.fw");
    nh_url_shown("http://a@b@c/d@e", shown, sizeof(shown));
    assert_string_equal(shown, "c/d@e");
    nh_url_shown("http://host?token=1", shown, sizeof(shown));
    assert_string_equal(shown, "host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_generations_of_offers_are_understood),
        cmocka_unit_test(an_offer_of_nothing_and_a_misshaped_one_are_told_apart),
        cmocka_unit_test(what_is_named_by_no_uuid_is_refused),
        cmocka_unit_test(an_address_that_is_no_web_address_is_refused),
        cmocka_unit_test(a_join_has_all_five_or_is_not_made),
        cmocka_unit_test(statuses_are_words_that_crash_no_channel),
        cmocka_unit_test(progress_is_a_plain_integer),
        cmocka_unit_test(a_script_is_refused_and_its_text_goes_nowhere),
        cmocka_unit_test(a_shown_address_holds_no_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
