#include "provider/controllers/cluster_nodes.h"

#include "common/base/encoding.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

/// The hub's own cluster "core", and another one, "plant", with an API server of its own.
class ClusterNodesTest : public ControllersTest {
 protected:
  ClusterNodesTest() {
    clusters_.Put("plant-config", "u-plant");
    clusters_.Serve("plant-config", plant_);
    for (const char* name : {"worker-1", "worker-2"}) {
      EXPECT_TRUE(plant_.cluster().Create("test", {kube::kNodes, "", name, ""}, Json::object()).ok());
    }
    Create(kube::kIotClusters, "slicelet", "core", {{"role", "cloud"}});
    CreateWith(kube::kSecrets, "slicelet", "plant-access",
               {{"data", {{"kubeconfig", Base64Encode("plant-config")}}}});
    Create(kube::kIotClusters, "slicelet", "plant", {{"role", "edge"}, {"kubeconfigSecret", "plant-access"}});
  }

  /// The names of the nodes, or why not.
  std::string Nodes() {
    std::optional<std::string> said;
    ListNodesElsewhere(loop_, clusters_, ways_, Get(kube::kIotClusters, "slicelet", "plant"),
                       [&](const absl::StatusOr<std::vector<Json>>& nodes) {
                         said = nodes.ok() ? "" : "not: " + Message(nodes.status());
                         if (!nodes.ok()) return;
                         for (const Json& node : *nodes) *said += kube::NameOf(node) + " ";
                       });
    loop_.RunUntil([&] { return said.has_value(); }, minutes(2));
    return said.value_or("no answer");
  }

  kube::MemoryApiServer plant_{loop_, clock_, random_};
};

TEST_F(ClusterNodesTest, TheNodesOfAnotherClusterAreThoseThatItSays) {
  EXPECT_EQ(Nodes(), "not: it was not reached yet");
  Advance(minutes(2));
  EXPECT_EQ(Nodes(), "worker-1 worker-2 ");
  Crash();
  EXPECT_EQ(Nodes(), "not: it was not reached yet") << "in this life";
  Advance(minutes(2));
  EXPECT_EQ(Nodes(), "worker-1 worker-2 ");
}

TEST_F(ClusterNodesTest, AClusterThatIsAwayIsSaidToBe) {
  Advance(minutes(2));
  plant_.SetDown(true);
  EXPECT_THAT(Nodes(), HasSubstr("not: ")) << "before the hub has noticed it";
  clusters_.Fail("plant-config", absl::UnavailableError("no answer"));
  Advance(minutes(8));
  EXPECT_THAT(Nodes(), HasSubstr("not: "));
  plant_.SetDown(false);
  EXPECT_EQ(Nodes(), "worker-1 worker-2 ");
}

TEST_F(ClusterNodesTest, AWrongRegistrationSaysWhatIsWrong) {
  Advance(minutes(2));
  clusters_.Put("plant-config", "u-other");
  Advance(minutes(3));
  EXPECT_THAT(Nodes(), HasSubstr("not: AnotherCluster: "));
  Delete(kube::kSecrets, "slicelet", "plant-access");
  Advance(minutes(3));
  EXPECT_THAT(Nodes(), HasSubstr("not: SecretNotFound: "));
}

TEST_F(ClusterNodesTest, OnceTheControllersAreGoneNoClusterIsKnown) {
  Advance(minutes(2));
  engine_.reset();
  EXPECT_EQ(Nodes(), "not: it was not reached yet");
}

}  // namespace
}  // namespace slicelet::provider
