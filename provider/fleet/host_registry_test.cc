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
    registry_ = std::make_unique<HostRegistry>(loop_, clock_, random_, *api_, "slicelet",
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

  kube::Json Ready(const std::string& name) {
    const kube::Json object = Get(name);
    const kube::Json* conditions = kube::Find(object, {"status", "conditions"});
    return conditions == nullptr || conditions->size() != 1 ? kube::Json() : conditions->at(0);
  }
  std::string Reason(const std::string& name) { return kube::TextAt(Ready(name), {"reason"}); }
  static HostStatus Connected() {
    HostStatus status;
    status.link = "Connected";
    return status;
  }
  static HostStatus Disconnected(const std::string& reason) {
    HostStatus status;
    status.link = "Disconnected";
    status.reason = reason;
    status.message = "why it is " + reason;
    return status;
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

TEST_F(HostRegistryTest, ReadySaysWhatTheOperatorWantsBeforeWhatTheLinkSays) {
  struct Row {
    kube::Json spec;
    HostStatus status;
    std::string ready, reason, message;
  };
  const HostStatus silent = Disconnected("Silence");
  const std::vector<Row> rows = {
      {{{"approved", true}}, Connected(), "True", "Ready", ""},
      {{{"approved", true}}, silent, "False", "Silence", "why it is Silence"},
      {{{"approved", true}}, Disconnected("LinkBroken"), "False", "LinkBroken", "why it is LinkBroken"},
      // The link was closed for what the operator has taken back since.
      {{{"approved", true}}, Disconnected("Revoked"), "False", "NotConnected", "has not connected since"},
      {{{"approved", true}}, Disconnected("NotApproved"), "False", "NotConnected", "has not connected since"},
      {{{"approved", false}}, Connected(), "False", "Unapproved", "set spec.approved to true"},
      {{{"approved", true}, {"revoked", true}}, Connected(), "False", "Revoked", "spec.revoked"},
      {{{"approved", false}, {"revoked", true}}, silent, "False", "Revoked", "spec.revoked"},
      {{{"approved", true}, {"maintenance", true}}, Connected(), "False", "Maintenance", "nothing new"},
      {{{"approved", true}, {"maintenance", true}}, silent, "False", "Maintenance", "nothing new"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.spec.dump() + row.status.reason);
    kube::Json spec = {{"approved", nullptr}, {"revoked", nullptr}, {"maintenance", nullptr}};
    spec.update(row.spec);
    Patch("gw-1", spec);
    registry_->SetStatus(HostId("gw-1"), row.status);
    const kube::Json object = Get("gw-1");
    const kube::Json ready = Ready("gw-1");
    EXPECT_EQ(kube::TextAt(ready, {"type"}), "Ready");
    EXPECT_EQ(kube::TextAt(ready, {"status"}), row.ready);
    EXPECT_EQ(kube::TextAt(ready, {"reason"}), row.reason);
    EXPECT_NE(kube::TextAt(ready, {"message"}).find(row.message), std::string::npos) << ready;
    const auto generation = kube::IntegerAt(object, {"metadata", "generation"}, 0);
    EXPECT_EQ(kube::IntegerAt(ready, {"observedGeneration"}, -1), generation);
    EXPECT_EQ(kube::IntegerAt(object, {"status", "observedGeneration"}, -1), generation);
  }
}

TEST_F(HostRegistryTest, AHostThatNobodyHasHeardOfHasAConditionToo) {
  EXPECT_EQ(Reason("gw-2"), "Unapproved");
  EXPECT_EQ(kube::TextAt(Ready("gw-1"), {"status"}), "Unknown");
  EXPECT_EQ(Reason("gw-1"), "NotConnectedYet");
  Patch("gw-2", {{"approved", true}});
  EXPECT_EQ(Reason("gw-2"), "NotConnectedYet");
  // A new provider knows nothing of the link yet, and leaves what was said of it.
  registry_->SetStatus(HostId("gw-1"), Connected());
  const kube::Json before = Get("gw-1");
  EXPECT_EQ(Reason("gw-1"), "Ready");
  Make();
  EXPECT_EQ(Get("gw-1"), before);
  Patch("gw-1", {{"maintenance", true}});
  EXPECT_EQ(Reason("gw-1"), "Maintenance") << "what the operator wants is known";
}

TEST_F(HostRegistryTest, TheTransitionTimeIsThatOfTheStatusAlone) {
  const auto since = [this] { return kube::TextAt(Ready("gw-1"), {"lastTransitionTime"}); };
  registry_->SetStatus(HostId("gw-1"), Connected());
  const std::string connected = since();
  EXPECT_NE(connected, "");
  loop_.Advance(seconds(60));
  HostStatus more = Connected();
  more.workloads = 7;
  registry_->SetStatus(HostId("gw-1"), more);
  EXPECT_EQ(since(), connected);

  // When it happened, not when it could be written.
  server_.SetDown(true);
  const std::string lost = FormatTime(clock_.Now());
  registry_->SetStatus(HostId("gw-1"), Disconnected("LinkBroken"));
  loop_.Advance(seconds(60));
  server_.SetDown(false);
  loop_.Advance(seconds(600));
  EXPECT_EQ(since(), lost);
  // Another reason, and another provider, for the same status.
  registry_->SetStatus(HostId("gw-1"), Disconnected("Silence"));
  EXPECT_EQ(Reason("gw-1"), "Silence");
  EXPECT_EQ(since(), lost);
  Make();
  registry_->SetStatus(HostId("gw-1"), Disconnected("NotConnected"));
  EXPECT_EQ(Reason("gw-1"), "NotConnected");
  EXPECT_EQ(since(), lost);
  registry_->SetStatus(HostId("gw-1"), Connected());
  EXPECT_NE(since(), lost);
}

TEST_F(HostRegistryTest, AHostsOwnTagsAreShownAsItToldThemLast) {
  using Tags = std::map<std::string, std::string>;
  const auto tags = [this] {
    const kube::Json object = Get("gw-1");
    const kube::Json* found = kube::Find(object, {"status", "hostTags"});
    return found == nullptr ? std::string("none") : found->dump();
  };
  registry_->SetStatus(HostId("gw-1"), Connected());
  EXPECT_EQ(tags(), "none") << "not told yet";
  HostStatus status = Connected();
  status.tags = Tags{{"line", "3"}, {"site", "north"}};
  registry_->SetStatus(HostId("gw-1"), status);
  EXPECT_EQ(tags(), R"({"line":"3","site":"north"})");
  status.tags = Tags{{"line", "4"}};
  registry_->SetStatus(HostId("gw-1"), status);
  EXPECT_EQ(tags(), R"({"line":"4"})") << "what a host has no more goes";
  const std::string version = kube::ResourceVersionOf(Get("gw-1"));
  Make();
  registry_->SetStatus(HostId("gw-1"), Disconnected("NotConnected"));
  EXPECT_EQ(tags(), R"({"line":"4"})") << "and stays while it is away";
  status.tags = Tags();
  registry_->SetStatus(HostId("gw-1"), status);
  EXPECT_EQ(tags(), "{}");
  EXPECT_NE(kube::ResourceVersionOf(Get("gw-1")), version);
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
