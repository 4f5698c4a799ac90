#include "kubelet-shim/node/node_removal.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;
using std::chrono::seconds;

class NodeRemovalTest : public testing::Test {
 protected:
  void MakeNode(const std::string& hub) {
    const Json node = {{"metadata", {{"name", "gw"}, {"labels", {{"slicelet.io/hub", hub}}}}}};
    ASSERT_TRUE(server_.cluster().Create("admin", {kube::kNodes, "", "", ""}, node).ok());
  }
  void Start() {
    removal_ = std::make_unique<NodeRemoval>("gw", "hub-1", loop_, random_, *controller_, [this] {
      ++done_;
      removal_.reset();
    });
    removal_->Start();
    loop_.RunReady();
  }
  bool Exists() { return server_.cluster().Peek(kube::kNodes, "", "gw") != nullptr; }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{7};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::unique_ptr<kube::KubeApi> controller_ = server_.ApiAs("controller");
  std::unique_ptr<NodeRemoval> removal_;
  int done_ = 0;
};

TEST_F(NodeRemovalTest, RemovesOurNode) {
  MakeNode("hub-1");
  Start();
  EXPECT_FALSE(Exists());
  EXPECT_EQ(done_, 1);
}

TEST_F(NodeRemovalTest, LeavesTheNodesOfOthersAlone) {
  MakeNode("hub-2");
  Start();
  EXPECT_TRUE(Exists());
  EXPECT_EQ(done_, 1);
}

TEST_F(NodeRemovalTest, IsDoneWhenThereIsNone) {
  Start();
  EXPECT_EQ(done_, 1);
}

TEST_F(NodeRemovalTest, TriesUntilTheServerLetsIt) {
  MakeNode("hub-1");
  int refusals = 4;
  server_.faults().before = [&refusals](const kube::KubeCall& call) {
    if (refusals == 0) return absl::OkStatus();
    --refusals;
    return call.verb == kube::Verb::kDelete ? absl::PermissionDeniedError("may not delete nodes")
                                            : absl::UnavailableError("down");
  };
  Start();
  EXPECT_TRUE(Exists());
  EXPECT_EQ(done_, 0);
  loop_.Advance(seconds(60));
  EXPECT_FALSE(Exists());
  EXPECT_EQ(done_, 1);
}

TEST_F(NodeRemovalTest, A404OfAProxyIsNoEnd) {
  MakeNode("hub-1");
  // Its page answers whatever is asked.
  server_.faults().before = [](const kube::KubeCall&) { return absl::NotFoundError("no such route"); };
  Start();
  loop_.Advance(seconds(60));
  EXPECT_EQ(done_, 0);
  server_.faults().before = nullptr;
  loop_.Advance(seconds(60));
  EXPECT_FALSE(Exists());
  EXPECT_EQ(done_, 1);
}

TEST_F(NodeRemovalTest, One404OfAProxyIsNoEndEither) {
  MakeNode("hub-1");
  int pages = 1;
  server_.faults().before = [&pages](const kube::KubeCall& call) {
    // Not among the rights of this credential.
    if (call.verb == kube::Verb::kList) return absl::PermissionDeniedError("may not list nodes");
    return pages-- > 0 ? absl::NotFoundError("no such route") : absl::OkStatus();
  };
  Start();
  loop_.Advance(seconds(60));
  EXPECT_FALSE(Exists());
  EXPECT_EQ(done_, 1);
  // And of one that is gone it needs no other right.
  Start();
  EXPECT_EQ(done_, 2);
}

TEST_F(NodeRemovalTest, ANodeThatCameInBetweenIsLookedAtAnew) {
  MakeNode("hub-1");
  server_.faults().before = [this](const kube::KubeCall& call) {
    if (call.verb != kube::Verb::kDelete) return absl::OkStatus();
    // Somebody else deleted it and made another of that name.
    server_.faults().before = nullptr;
    EXPECT_TRUE(server_.cluster().Delete("admin", {kube::kNodes, "", "gw", ""}, {}).ok());
    MakeNode("hub-2");
    return absl::OkStatus();
  };
  Start();
  loop_.Advance(seconds(60));
  EXPECT_TRUE(Exists());
  EXPECT_EQ(done_, 1);
}

}  // namespace
}  // namespace slicelet::shim
