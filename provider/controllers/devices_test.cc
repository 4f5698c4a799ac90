#include "provider/controllers/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

class DevicesTest : public ControllersTest {
 protected:
  void MakeOven() {
    MakeSlice();
    Advance();
    MakeGateway();
    MakeDevice();
    Advance();
  }
  Json Status(const std::string& member) {
    return Get(kube::kIotDevices, "north", "oven")["status"].value(member, Json());
  }
};

TEST(ProtocolsOf, SpeaksTheWordsOfTheDeviceServices) {
  const std::vector<std::tuple<const char*, const char*, const char*>> table = {
      {"virtual", "null", R"({"other":{"Address":"oven"}})"},
      {"virtual", R"({"Address":"a"})", R"({"other":{"Address":"a"}})"},
      {"mqtt", "null", R"({"mqtt":{"CommandTopic":"command/oven"}})"},
      {"mqtt", R"({"CommandTopic":"line/3"})", R"({"mqtt":{"CommandTopic":"line/3"}})"},
      {"rest", "null", R"({"other":{"Address":"oven"}})"},
      {"rest", R"({"Host":"10.0.0.7","Port":"80","Path":"api"})",
       R"({"REST":{"Host":"10.0.0.7","Port":"80","Path":"api"}})"},
      {"modbus", R"({"Address":"10.0.0.7","Port":"502","UnitID":"1"})",
       R"({"modbus-tcp":{"Address":"10.0.0.7","Port":"502","UnitID":"1","Timeout":"5","IdleTimeout":"5"}})"},
      {"modbus", R"({"Address":"10.0.0.7","Port":"502","UnitID":"1","Timeout":"1","IdleTimeout":"0"})",
       R"({"modbus-tcp":{"Address":"10.0.0.7","Port":"502","UnitID":"1","Timeout":"1","IdleTimeout":"0"}})"},
      {"modbus",
       R"({"Address":"/dev/ttyUSB0","BaudRate":"9600","DataBits":"8","StopBits":"1","Parity":"N","UnitID":"2"})",
       R"({"modbus-rtu":{"Address":"/dev/ttyUSB0","BaudRate":"9600","DataBits":"8","StopBits":"1","Parity":"N","UnitID":"2",)"
       R"("Timeout":"5","IdleTimeout":"5"}})"},
  };
  for (const auto& [protocol, properties, told] : table) {
    Json device = {{"metadata", {{"name", "oven"}}}, {"spec", {{"protocol", protocol}}}};
    const Json given = Json::parse(properties);
    if (!given.is_null()) device["spec"]["protocolProperties"] = given;
    EXPECT_EQ(ProtocolsOf(device), Json::parse(told)) << protocol << " " << properties;
  }
}

const WallTime kFirst = FromUnixNanos(1'767'225'600'700'000'000);
const WallTime kSecond = kFirst + std::chrono::minutes(5);

TEST_F(DevicesTest, ADeviceShowsWhatCoreDataHoldsOfIt) {
  MakeOven();
  EXPECT_EQ(Status("registered"), true);
  for (const char* member : {"readingCount", "readingCountTime", "lastReadingTime"}) {
    EXPECT_EQ(Status(member), Json()) << member << ": nothing has been told";
  }
  held_readings_["oven"] = {.count = 0, .newest = {}, .observed = kFirst};
  Advance();
  EXPECT_EQ(Status("readingCount"), 0);
  EXPECT_EQ(Status("lastReadingTime"), Json()) << "there is none";
  held_readings_["oven"] = {.count = 12, .newest = kFirst, .observed = kSecond};
  Advance();
  EXPECT_EQ(Status("readingCount"), 12);
  EXPECT_EQ(Status("lastReadingTime"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(Status("readingCountTime"), "2026-01-01T00:05:00Z");
}

TEST_F(DevicesTest, AGatewayThatIsAwayOrBeginsAnewTakesNoLastReadingBack) {
  MakeOven();
  held_readings_["oven"] = {.count = 12, .newest = kFirst, .observed = kFirst};
  Advance();
  held_readings_.clear();
  Advance();
  EXPECT_EQ(Status("readingCount"), 12) << "an agent that begins anew has not asked yet";
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", true}}}});
  Advance();
  EXPECT_EQ(Status("registered"), false);
  EXPECT_EQ(Status("readingCount"), 12);
  EXPECT_EQ(Status("readingCountTime"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(Status("lastReadingTime"), "2026-01-01T00:00:00Z");
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"suspended", false}}}});
  held_readings_["oven"] = {.count = 0, .newest = {}, .observed = kSecond};
  Advance();
  EXPECT_EQ(Status("readingCount"), 0) << "its database is empty";
  EXPECT_EQ(Status("readingCountTime"), "2026-01-01T00:05:00Z");
  EXPECT_EQ(Status("lastReadingTime"), "2026-01-01T00:00:00Z");
}

TEST_F(DevicesTest, ReadingsAreShownOfADeviceThatIsRefusedNowToo) {
  refused_devices_["oven"] = "400: no such thing";
  held_readings_["oven"] = {.count = 3, .newest = kFirst, .observed = kFirst};
  MakeOven();
  EXPECT_EQ(Status("registered"), false);
  EXPECT_EQ(Status("readingCount"), 3);
}

TEST_F(DevicesTest, DevicesSayWhyTheyAreNotRegistered) {
  MakeSlice();
  Advance();
  MakeDevice({{"gateway", "none"}}, "a");
  MakeDevice({{"protocol", "rest"}}, "b");
  MakeDevice(Json::object(), "c");
  refused_devices_["c"] = "400: no such thing";
  MakeGateway();
  Advance();
  const auto says = [&](const char* name) {
    return Condition(Get(kube::kIotDevices, "north", name), "Registered");
  };
  EXPECT_THAT(says("a"), HasSubstr("False GatewayNotFound: "));
  EXPECT_THAT(says("b"),
              HasSubstr("False ProtocolNotSpoken: spec.protocol: IotGateway press speaks virtual"));
  EXPECT_EQ(says("c"), "False ProfileRefused: 400: no such thing");
  EXPECT_EQ(Get(kube::kIotDevices, "north", "c")["status"]["phase"], "Error");
  EXPECT_FALSE(Get(kube::kConfigMaps, "north", "press-devices")["data"].contains("b.json"));
  refused_devices_.clear();
  Advance();
  EXPECT_EQ(Get(kube::kIotDevices, "north", "c")["status"]["phase"], "Registered");
}

}  // namespace
}  // namespace slicelet::provider
