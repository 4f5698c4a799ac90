#include "provider/fleet/host_registry.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::provider {
namespace {

using std::chrono::seconds;

class HostRegistryTest : public testing::Test {
 protected:
  HostRegistryTest()
      : clock_(loop_), random_(1), server_(loop_, clock_, random_), api_(server_.ApiAs("provider")) {
    Create("gw-1", {{"approved", true}, {"tags", {{"site", "north"}, {"bad", 7}}}});
    Create("gw-2", {{"approved", false}});
    Make();
  }

  void Make() {
    registry_ = std::make_unique<HostRegistry>(loop_, random_, *api_, "slicelet",
                                               [this](const std::set<HostId>& hosts) {
                                                 for (const HostId& host : hosts) changed_.insert(host);
                                               });
    EXPECT_EQ(registry_->MayConnect(HostId("gw-1")).code(), absl::StatusCode::kUnavailable);
    registry_->Start();
    loop_.Advance(seconds(1));
  }
  void Create(const std::string& name, const kube::Json& spec) {
    api_->Create(
        {kube::kEdgeHosts, "slicelet", name, ""},
        {{"apiVersion", "slicelet.io/v1alpha1"},
         {"kind", "EdgeHost"},
         {"metadata", {{"name", name}, {"namespace", "slicelet"}}},
         {"spec", spec}},
        [](const absl::StatusOr<kube::Json>& result) { EXPECT_TRUE(result.ok()) << result.status(); });
    loop_.Advance(seconds(1));
  }
  void Patch(const std::string& name, const kube::Json& spec) {
    changed_.clear();
    api_->Patch(
        {kube::kEdgeHosts, "slicelet", name, ""}, kube::PatchType::kMerge, {{"spec", spec}},
        [](const absl::StatusOr<kube::Json>& result) { EXPECT_TRUE(result.ok()) << result.status(); });
    loop_.Advance(seconds(1));
  }
  kube::Json Get(const std::string& name) {
    kube::Json object;
    api_->Get({kube::kEdgeHosts, "slicelet", name, ""}, [&object](const absl::StatusOr<kube::Json>& result) {
      if (result.ok()) object = *result;
    });
    loop_.Advance(seconds(1));
    return object;
  }

  SimLoop loop_;
  FakeClock clock_;
  SeededRandom random_;
  kube::MemoryApiServer server_;
  std::unique_ptr<kube::KubeApi> api_;
  std::unique_ptr<HostRegistry> registry_;
  std::set<HostId> changed_;
};

TEST_F(HostRegistryTest, TellsWhoMayConnect) {
  EXPECT_TRUE(registry_->MayConnect(HostId("gw-1")).ok());
  EXPECT_EQ(registry_->MayConnect(HostId("gw-2")).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(registry_->MayConnect(HostId("gw-3")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->Find(HostId("gw-1"))->tags, (std::map<std::string, std::string>{{"site", "north"}}));
  EXPECT_EQ(changed_.size(), 2U);
}

TEST_F(HostRegistryTest, HearsOfRevocationApprovalAndDeletion) {
  Patch("gw-1", {{"revoked", true}});
  EXPECT_EQ(changed_, (std::set<HostId>{HostId("gw-1")}));
  EXPECT_EQ(registry_->MayConnect(HostId("gw-1")).code(), absl::StatusCode::kPermissionDenied);
  Patch("gw-2", {{"approved", true}});
  EXPECT_TRUE(registry_->MayConnect(HostId("gw-2")).ok());
  changed_.clear();
  api_->Delete({kube::kEdgeHosts, "slicelet", "gw-2", ""}, {}, [](const absl::Status&) {});
  loop_.Advance(seconds(1));
  EXPECT_EQ(registry_->Find(HostId("gw-2")), nullptr);
  EXPECT_EQ(changed_, (std::set<HostId>{HostId("gw-2")}));
}

TEST_F(HostRegistryTest, WritesStatusOnlyWhenItChanged) {
  HostStatus status;
  status.link = "Connected";
  status.agent_version = "1.0";
  status.workloads = 2;
  status.last_seen = ToUnixNanos(clock_.Now());
  registry_->SetStatus(HostId("gw-1"), status);
  loop_.Advance(seconds(1));
  const kube::Json written = Get("gw-1");
  EXPECT_EQ(kube::TextAt(written, {"status", "link"}), "Connected");
  EXPECT_EQ(kube::IntegerAt(written, {"status", "workloads"}, 0), 2);

  loop_.Advance(seconds(60));
  status.last_seen = ToUnixNanos(clock_.Now());
  registry_->SetStatus(HostId("gw-1"), status);
  Make();
  registry_->SetStatus(HostId("gw-1"), status);
  loop_.Advance(seconds(60));
  EXPECT_EQ(kube::ResourceVersionOf(Get("gw-1")), kube::ResourceVersionOf(written))
      << "also not by a new provider";
}

TEST_F(HostRegistryTest, TriesAgainWhenTheServerWasDown) {
  server_.SetDown(true);
  HostStatus status;
  status.link = "Connected";
  registry_->SetStatus(HostId("gw-1"), status);
  loop_.Advance(seconds(5));
  server_.SetDown(false);
  loop_.Advance(seconds(600));
  EXPECT_EQ(kube::TextAt(Get("gw-1"), {"status", "link"}), "Connected");
}

}  // namespace
}  // namespace slicelet::provider
