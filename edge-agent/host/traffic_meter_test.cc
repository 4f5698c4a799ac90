#include "edge-agent/host/traffic_meter.h"

#include <gtest/gtest.h>

#include "common/base/testing/fake_file_system.h"

namespace slicelet::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class TrafficMeterTest : public testing::Test {
 protected:
  /// What each interface has received so far.
  void Counters(const std::map<std::string, std::uint64_t>& counters) {
    std::string text =
        "Inter-|   Receive                            |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n";
    for (const auto& [name, bytes] : counters)
      text += "  " + name + ": " + std::to_string(bytes) + "     7    0    0    0     0          0  0 99 1\n";
    files_.Put("/proc/net/dev", {.data = text});
  }
  void Device(const std::string& name) { files_.Put("/sys/class/net/" + name + "/device", {}); }
  void LookAfter(Duration pause) {
    now_ += pause;
    meter_.Look(now_);
  }

  FakeFileSystem files_;
  MonotonicTime now_{seconds(1'000)};
  TrafficMeter meter_{files_};
};

TEST_F(TrafficMeterTest, NothingIsKnownBeforeTheSecondLook) {
  EXPECT_EQ(meter_.Rate(), std::nullopt);
  Counters({{"eth0", 5'000'000}});
  LookAfter(seconds(0));
  EXPECT_EQ(meter_.Rate(), std::nullopt) << "what was before the agent began is nobody's rate";
  Counters({{"eth0", 5'060'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 1'000U);
}

TEST_F(TrafficMeterTest, OnlyTheLastFiveMinutesCount) {
  std::uint64_t bytes = 0;
  const auto pass = [&](std::uint64_t per_second) {
    bytes += per_second * 60;
    Counters({{"eth0", bytes}});
    LookAfter(minutes(1));
  };
  for (int i = 0; i < 10; ++i) pass(1'000);
  EXPECT_EQ(meter_.Rate(), 1'000U);
  for (int i = 0; i < 5; ++i) pass(0);
  EXPECT_EQ(meter_.Rate(), 0U);
  pass(500);
  EXPECT_EQ(meter_.Rate(), 100U);
}

TEST_F(TrafficMeterTest, InterfacesWithADeviceCountAndNothingTwice) {
  Device("eth0");
  Device("wlan0");
  Counters({{"lo", 0}, {"eth0", 0}, {"wlan0", 0}, {"cni0", 0}, {"veth1", 0}});
  LookAfter(seconds(0));
  Counters({{"lo", 900'000}, {"eth0", 6'000}, {"wlan0", 12'000}, {"cni0", 600'000}, {"veth1", 600'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 300U);
}

TEST_F(TrafficMeterTest, WithoutAnyDeviceAllButLoopbackCount) {
  Counters({{"lo", 0}, {"eth0", 0}});
  LookAfter(seconds(0));
  Counters({{"lo", 900'000}, {"eth0", 6'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 100U);
}

TEST_F(TrafficMeterTest, ACounterThatWentBackBeganAnew) {
  Counters({{"eth0", 4'294'960'000}});
  LookAfter(seconds(0));
  Counters({{"eth0", 6'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 100U) << "no jump to the stars";
}

TEST_F(TrafficMeterTest, AnInterfaceThatComesBringsNoPast) {
  Counters({{"eth0", 0}});
  LookAfter(seconds(0));
  Counters({{"eth0", 6'000}, {"usb0", 60'000'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 100U);
  Counters({{"usb0", 60'006'000}});
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 100U) << "nor does one that goes take anything";
}

TEST_F(TrafficMeterTest, WhatCanNotBeReadIsNotZero) {
  Counters({{"eth0", 0}});
  LookAfter(seconds(0));
  Counters({{"eth0", 6'000}});
  LookAfter(minutes(1));
  ASSERT_TRUE(files_.RemoveAll("/proc/net/dev").ok());
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), std::nullopt);
}

TEST_F(TrafficMeterTest, LooksInQuickSuccessionAreOne) {
  Counters({{"eth0", 0}});
  LookAfter(seconds(0));
  Counters({{"eth0", 6'000}});
  LookAfter(seconds(0));
  EXPECT_EQ(meter_.Rate(), std::nullopt) << "no division by nothing";
  LookAfter(minutes(1));
  EXPECT_EQ(meter_.Rate(), 100U);
}

}  // namespace
}  // namespace slicelet::agent
