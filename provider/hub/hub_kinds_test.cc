#include "provider/hub/hub.h"
#include "provider/hub/testing/fleet_fixture.h"
#include "provider/hub/testing/hub_fixture.h"

namespace slicelet::provider {
namespace {

using HubKindsTest = HubFixture;

TEST_F(HubKindsTest, NodesAreDeclaredWithTheirSlice) {
  ConnectAll();
  const auto slice = [&] {
    const auto* message = Received([](const auto& m) { return m.has_node_declare(); });
    return message == nullptr ? "" : message->node_declare().labels().at("slicelet.io/slice");
  };
  EXPECT_EQ(slice(), "default");
  received_.clear();
  hub_->SetSlices({{"gw-1", "north"}});
  Settle();
  EXPECT_EQ(slice(), "north");
  received_.clear();
  hub_->SetSlices({{"gw-1", "north"}, {"another", "south"}});
  Settle();
  EXPECT_EQ(slice(), "") << "what stays is not declared again";
  hub_->SetSlices({});
  Settle();
  EXPECT_EQ(slice(), "default");
}

TEST_F(HubKindsTest, TellsWhatAHostSaidOfADevice) {
  ConnectAll();
  Apply("u1");
  EXPECT_FALSE(hub_->DeviceOf(PodUid("u1"), "oven").has_value());
  v1::WorkloadStatus status;
  status.set_uid("u1");
  status.set_phase(v1::PHASE_RUNNING);
  v1::DeviceStatus& device = *status.add_devices();
  device.set_name("oven");
  device.set_reason("Refused");
  host_.Report(status);
  Settle();
  ASSERT_TRUE(hub_->DeviceOf(PodUid("u1"), "oven").has_value());
  EXPECT_FALSE(hub_->DeviceOf(PodUid("u1"), "oven")->applied());
  EXPECT_EQ(hub_->DeviceOf(PodUid("u1"), "oven")->reason(), "Refused");
  EXPECT_FALSE(hub_->DeviceOf(PodUid("u1"), "other").has_value());
  EXPECT_FALSE(hub_->DeviceOf(PodUid("u2"), "oven").has_value());
}

using HubKindsFleetTest = FleetFixture;

TEST_F(HubKindsFleetTest, ADeviceOfAFleetHasTheReadingsOfAllItsHosts) {
  ConnectFleet();
  ApplyFleet("u1");
  const auto report = [&](ScriptedHost& host, bool applied, std::int64_t count, std::int64_t newest) {
    v1::WorkloadStatus status;
    status.set_uid("u1");
    status.set_phase(v1::PHASE_RUNNING);
    v1::DeviceStatus& device = *status.add_devices();
    device.set_name("oven");
    device.set_applied(applied);
    if (count >= 0) {
      device.mutable_readings()->set_count(count);
      device.mutable_readings()->set_newest(newest);
      device.mutable_readings()->set_observed_at(newest + 1);
    }
    host.Report(status);
    Settle();
  };
  report(host_, true, 5, 100);
  report(second_, true, 0, 0);
  EXPECT_FALSE(hub_->DeviceOf(PodUid("u1"), "oven").has_value()) << "the third host has not spoken";
  report(third_, true, -1, 0);
  auto oven = hub_->DeviceOf(PodUid("u1"), "oven");
  ASSERT_TRUE(oven.has_value());
  EXPECT_TRUE(oven->applied());
  EXPECT_EQ(oven->readings().count(), 5);
  EXPECT_EQ(oven->readings().newest(), 100);
  report(third_, false, 7, 90);
  oven = hub_->DeviceOf(PodUid("u1"), "oven");
  EXPECT_FALSE(oven->applied());
  EXPECT_EQ(oven->readings().count(), 12);
  EXPECT_EQ(oven->readings().newest(), 100);
  EXPECT_EQ(oven->readings().observed_at(), 101);
}

}  // namespace
}  // namespace slicelet::provider
