#include "edge-agent/senml-export/senml.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/encoding.h"
#include "common/json/json.h"

namespace slicelet::senml {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kOrigin = 1'700'000'000'123'456'789;

Json Reading(const std::string& type, const Json& value) {
  return {{"origin", kOrigin},
          {"deviceName", "press-1"},
          {"resourceName", "R"},
          {"valueType", type},
          {"value", value}};
}

Json EventWith(Json reading) {
  return {{"apiVersion", "v3"},
          {"id", "3e3a1c70-0000-4000-8000-000000000001"},
          {"deviceName", "press-1"},
          {"profileName", "press"},
          {"sourceName", "S"},
          {"origin", kOrigin},
          {"readings", Json::array({std::move(reading)})}};
}

Json RequestWith(const Json& event) { return {{"apiVersion", "v3"}, {"requestId", "r"}, {"event", event}}; }

/// As EdgeX 4 puts it on the bus.
std::string Message(const Json& event) {
  return DumpJson(
      {{"apiVersion", "v3"}, {"contentType", "application/json"}, {"payload", RequestWith(event)}});
}

Pack PackOf(const Json& event) {
  const auto pack = PackOfBusMessage(Message(event));
  EXPECT_TRUE(pack.ok()) << pack.status();
  return pack.value_or(Pack{});
}

constexpr char kHead[] = R"([{"bn":"press-1:","bt":1700000000.123456789,"n":"R",)";

struct ValueCase {
  const char* name;
  Json reading;
  /// The record's value; "" when there is none.
  std::string value;
  std::uint64_t not_finite = 0;
  std::uint64_t null = 0;
  std::uint64_t unreadable = 0;
};
void PrintTo(const ValueCase& test, std::ostream* out) { *out << test.name; }

class ValueTest : public testing::TestWithParam<ValueCase> {};

TEST_P(ValueTest, BecomesWhatItsTypeSays) {
  const ValueCase& test = GetParam();
  const Pack pack = PackOf(EventWith(test.reading));
  EXPECT_EQ(pack.json, test.value.empty() ? "" : kHead + test.value + "}]");
  EXPECT_EQ(pack.records, test.value.empty() ? 0U : 1U);
  EXPECT_EQ(pack.not_finite, test.not_finite);
  EXPECT_EQ(pack.null, test.null);
  EXPECT_EQ(pack.unreadable, test.unreadable);
}

Json With(Json reading, const std::string& key, const Json& value) {
  reading.erase("value");
  reading[key] = value;
  return reading;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ValueTest,
    testing::Values(
        ValueCase{"small", Reading("Int8", "-128"), R"("v":-128)"},
        ValueCase{"plus", Reading("Int16", "+7"), R"("v":7)"},
        ValueCase{"exact", Reading("Int64", "9007199254740992"), R"("v":9007199254740992)"},
        ValueCase{"inexact", Reading("Int64", "9007199254740993"), R"("vs":"9007199254740993")"},
        ValueCase{"lowest", Reading("Int64", "-9223372036854775808"), R"("vs":"-9223372036854775808")"},
        ValueCase{"largest", Reading("Uint64", "18446744073709551615"), R"("vs":"18446744073709551615")"},
        ValueCase{"exponent", Reading("Float64", "2.5e+00"), R"("v":2.5)"},
        ValueCase{"small_exponent", Reading("Float64", "-1.5e-07"), R"("v":-1.5e-07)"},
        ValueCase{"single", Reading("Float32", "1.100000e+01"), R"("v":11)"},
        ValueCase{"plain_float", Reading("Float64", "0.1"), R"("v":0.1)"},
        ValueCase{"underflow", Reading("Float64", "1e-999"), R"("v":0)"},
        ValueCase{"true", Reading("Bool", "true"), R"("vb":true)"},
        ValueCase{"false", Reading("Bool", "false"), R"("vb":false)"},
        ValueCase{"text", Reading("String", "a \"quoted\" ü"), R"("vs":"a \"quoted\" ü")"},
        ValueCase{"empty_text", Reading("String", ""), R"("vs":"")"},
        ValueCase{"array", Reading("Int32Array", "[1, 2, 3]"), R"("vs":"[1,2,3]")"},
        ValueCase{"large_array", Reading("Int64Array", "[9007199254740993]"), R"("vs":"[9007199254740993]")"},
        ValueCase{"no_json_array", Reading("Float64Array", "[NaN, 1]"), R"("vs":"[NaN, 1]")"},
        ValueCase{"object", With(Reading("Object", ""), "objectValue", {{"a", 1}}), R"("vs":"{\"a\":1}")"},
        ValueCase{"objects", With(Reading("ObjectArray", ""), "objectValue", Json::array({1, 2})),
                  R"("vs":"[1,2]")"},
        ValueCase{"binary", With(Reading("Binary", ""), "binaryValue", "+/8="), R"("vd":"-_8")"},
        ValueCase{"units", With(Reading("Int8", ""), "units", "Cel"), "", 0, 1},
        ValueCase{"not_a_number", Reading("Float64", "NaN"), "", 1},
        ValueCase{"infinity", Reading("Float32", "+Inf"), "", 1},
        ValueCase{"overflow", Reading("Float64", "1e999"), "", 1},
        ValueCase{"null", Reading("Int8", nullptr), "", 0, 1},
        ValueCase{"no_binary", Reading("Binary", "x"), "", 0, 1},
        ValueCase{"letters", Reading("Int8", "12a"), "", 0, 0, 1},
        ValueCase{"no_digits", Reading("Int8", ""), "", 0, 0, 1},
        ValueCase{"too_large", Reading("Uint64", "18446744073709551616"), "", 0, 0, 1},
        ValueCase{"bool_of_sorts", Reading("Bool", "yes"), "", 0, 0, 1},
        ValueCase{"not_base64", With(Reading("Binary", ""), "binaryValue", "*"), "", 0, 0, 1},
        ValueCase{"unknown_type", Reading("Quaternion", "1"), "", 0, 0, 1},
        ValueCase{"no_reading", Json("x"), "", 0, 0, 1}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Senml, ReadingsKeepTheirOrderAndSayOnlyWhatDiffers) {
  Json event = EventWith(Reading("Int8", "1"));
  Json later = Reading("Int8", "2");
  later["origin"] = kOrigin + 1;
  later["resourceName"] = "second";
  later["units"] = "Cel";
  Json earlier = Reading("Int8", "3");
  earlier["origin"] = kOrigin - 1'500'000'000;
  event["readings"].push_back(later);
  event["readings"].push_back(earlier);
  EXPECT_EQ(PackOf(event).json,
            R"([{"bn":"press-1:","bt":1700000000.123456789,"n":"R","v":1},)"
            R"({"n":"second","u":"Cel","t":0.000000001,"v":2},{"n":"R","t":-1.5,"v":3}])");
}

TEST(Senml, TheFirstRecordThatIsLeftCarriesTheBase) {
  Json event = EventWith(Reading("Float64", "NaN"));
  event["readings"].push_back(Reading("Int8", "2"));
  const Pack pack = PackOf(event);
  EXPECT_EQ(pack.json, std::string(kHead) + R"("v":2}])");
  EXPECT_EQ(pack.not_finite, 1U);
}

TEST(Senml, WhatAReadingLeavesOutItHasFromItsEvent) {
  EXPECT_EQ(PackOf(EventWith({{"valueType", "Int8"}, {"value", "1"}})).json,
            R"([{"bn":"press-1:","bt":1700000000.123456789,"n":"S","v":1}])");
  Json bare = EventWith(Reading("Int8", "1"));
  bare.erase("deviceName");
  bare.erase("origin");
  EXPECT_EQ(PackOf(bare).json, std::string(kHead) + R"("v":1}])");
}

TEST(Senml, NamesKeepWhatSenmlAllows) {
  Json reading = Reading("Int8", "1");
  reading["resourceName"] = "temp (°C)/a.b_c-d:e";
  Json event = EventWith(reading);
  event["deviceName"] = "_press 1";
  EXPECT_THAT(PackOf(event).json, HasSubstr(R"("bn":"x_press_1:")"));
  EXPECT_THAT(PackOf(event).json, HasSubstr(R"("n":"temp___C_/a.b_c-d:e")"));
}

TEST(Senml, AClockBeforeMid1978IsNoTime) {
  Json reading = Reading("Int8", "1");
  reading["origin"] = 5'000'000'000;
  Json event = EventWith(reading);
  event["origin"] = 4'000'000'000;
  EXPECT_EQ(PackOf(event).json, R"([{"bn":"press-1:","n":"R","v":1}])");
}

TEST(Senml, EveryFormOfTheEnvelopeIsRead) {
  const Json event = EventWith(Reading("Int8", "1"));
  const std::string expected = std::string(kHead) + R"("v":1}])";
  const auto pack_of = [](const Json& envelope) {
    const auto pack = PackOfBusMessage(DumpJson(envelope));
    EXPECT_TRUE(pack.ok()) << pack.status();
    return pack.value_or(Pack{}).json;
  };
  const std::string request = DumpJson(RequestWith(event));
  EXPECT_EQ(pack_of({{"contentType", "application/json"}, {"payload", Base64Encode(request)}}), expected);
  EXPECT_EQ(pack_of({{"payload", event}}), expected);

  Json binary = With(Reading("Binary", ""), "binaryValue", Json::binary({0xfb, 0xff}));
  const auto cbor = Json::to_cbor(RequestWith(EventWith(binary)));
  EXPECT_EQ(pack_of({{"contentType", "application/cbor"},
                     {"payload", Base64Encode({reinterpret_cast<const char*>(cbor.data()), cbor.size()})}}),
            std::string(kHead) + R"("vd":"-_8"}])");
}

struct BadMessage {
  const char* name;
  std::string message;
  const char* says;
};
void PrintTo(const BadMessage& test, std::ostream* out) { *out << test.name; }

class BadMessageTest : public testing::TestWithParam<BadMessage> {};

TEST_P(BadMessageTest, IsRefusedWithItsReason) {
  const auto pack = PackOfBusMessage(GetParam().message);
  ASSERT_EQ(pack.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(slicelet::Message(pack.status()), HasSubstr(GetParam().says));
}

std::string Cbor(const std::string& bytes) {
  return DumpJson({{"contentType", "application/cbor"}, {"payload", Base64Encode(bytes)}});
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadMessageTest,
    testing::Values(
        BadMessage{"no_json", "{", "JSON"}, BadMessage{"no_envelope", "[]", "no envelope"},
        BadMessage{"no_payload", "{}", "without payload"},
        BadMessage{"number", R"({"payload":1})", "neither"},
        BadMessage{"no_base64", R"({"payload":"*"})", "base64"},
        BadMessage{"no_event", R"({"payload":{}})", "without event"},
        BadMessage{"no_readings", R"({"payload":{"event":{"deviceName":"d"}}})", "without readings"},
        BadMessage{"no_device", R"({"payload":{"event":{"readings":[{}]}}})", "without deviceName"},
        BadMessage{"no_cbor", Cbor("\xff"), "not CBOR"},
        BadMessage{"deep_cbor", Cbor(std::string(1'000'000, '\x81')), "nests too deep"},
        BadMessage{"deep_json", std::string(1'000'000, '['), "deep"},
        BadMessage{"too_large", std::string(kMaxMessageBytes + 1, ' '), "at most"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace slicelet::senml
