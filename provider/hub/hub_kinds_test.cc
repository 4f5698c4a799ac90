#include "provider/hub/hub.h"
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

}  // namespace
}  // namespace slicelet::provider
