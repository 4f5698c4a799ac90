#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

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

}  // namespace
}  // namespace slicelet::provider
