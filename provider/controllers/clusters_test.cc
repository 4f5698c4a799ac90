#include <utility>

#include "common/base/encoding.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class ClustersTest : public ControllersTest {
 protected:
  /// The hub's own cluster.
  void MakeCloud(const std::string& name = "core") {
    Create(kube::kIotClusters, "slicelet", name, {{"role", "cloud"}});
  }
  /// One whose kubeconfig is the text `kubeconfig`.
  void MakeEdge(const std::string& name, const std::string& kubeconfig) {
    MakeSecret(name + "-access", kubeconfig);
    Create(kube::kIotClusters, "slicelet", name, {{"role", "edge"}, {"kubeconfigSecret", name + "-access"}});
  }
  void MakeSecret(const std::string& name, const std::string& kubeconfig) {
    CreateWith(kube::kSecrets, "slicelet", name, {{"data", {{"kubeconfig", Base64Encode(kubeconfig)}}}});
  }
  [[nodiscard]] Json Cluster(const std::string& name) { return Get(kube::kIotClusters, "slicelet", name); }
  /// "Enabled True Enabled: reached at ..."
  [[nodiscard]] std::string Says(const std::string& name) {
    const Json cluster = Cluster(name);
    return kube::TextAt(cluster, {"status", "phase"}) + " " + Condition(cluster);
  }
  /// "DefaultStorageClass=True Found: fast, NetworkPlugin=..."
  [[nodiscard]] std::string Has(const std::string& name) {
    std::string all;
    for (const char* type : {"DefaultStorageClass", "NetworkPlugin"}) {
      const std::string says = Condition(Cluster(name), type);
      all += (all.empty() ? "" : ", ") + std::string(type) + "=" + says;
    }
    return all;
  }
  void Remove(const std::string& name) { Delete(kube::kIotClusters, "slicelet", name); }
  /// The API server answers as it does to the provider's reads of Secrets from now on.
  void SecretsAnswer(const absl::Status& status) {
    server_.faults().before = [status](const kube::KubeCall& call) {
      return call.verb == kube::Verb::kGet && call.ref.resource == kube::kSecrets ? status : absl::OkStatus();
    };
  }
};

TEST_F(ClustersTest, TheHubsOwnClusterNeedsNoKubeconfig) {
  MakeCloud();
  MakeSlice("north", {{"edge", {{"cluster", "core"}}}});
  Advance();
  EXPECT_EQ(Says("core"), "Enabled True Enabled: reached at https://own:6443");
  const Json status = Cluster("core")["status"];
  EXPECT_EQ(status["server"], "https://own:6443");
  EXPECT_EQ(status["uid"], "own");
  EXPECT_EQ(status["version"], "v1.35.0");
  EXPECT_EQ(status["nodes"], 3);
  EXPECT_EQ(status["slices"], 1);
  EXPECT_EQ(Steps(Cluster("core")), "Checks=Done Reached=Done");
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north")["status"]["phase"], "Ready");
}

TEST_F(ClustersTest, EdgeClustersWaitForTheCloudCluster) {
  clusters_.Put("plant", "u-plant");
  MakeEdge("plant", "plant");
  Advance();
  EXPECT_THAT(Says("plant"), HasSubstr("Pending False CloudFirst: "));
  MakeCloud();
  Advance();
  EXPECT_EQ(Says("plant"), "Enabled True Enabled: reached at https://u-plant:6443");
}

TEST_F(ClustersTest, NoClusterIsRegisteredTwiceAndOneIsTheCloud) {
  clusters_.Put("same", "own");
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  Advance();
  MakeEdge("twin", "same");
  MakeSecret("second-access", "plant");
  Create(kube::kIotClusters, "slicelet", "second",
         {{"role", "cloud"}, {"kubeconfigSecret", "second-access"}});
  Advance();
  EXPECT_THAT(Says("twin"), HasSubstr("Error False AlreadyRegistered: the cluster at https://own:6443 is "
                                      "registered as IotCluster core"));
  EXPECT_THAT(Says("second"), HasSubstr("Error False SecondCloud: spec.role: IotCluster core is the cloud"));
  EXPECT_FALSE(Cluster("twin")["status"].contains("uid"));
  // The first one goes: the second cloud cluster takes its place, and the twin is no twin any more.
  Remove("core");
  Patch(kube::kIotClusters, "slicelet", "core", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Cluster("core"), Json());
  EXPECT_THAT(Says("second"), HasSubstr("Enabled True"));
  EXPECT_THAT(Says("twin"), HasSubstr("Enabled True"));
}

TEST_F(ClustersTest, TwinsThatComeTogetherAreOneInTheEnd) {
  clusters_.Put("same", "u-plant");
  MakeCloud();
  Advance();
  MakeEdge("a", "same");
  MakeEdge("b", "same");
  Advance();
  EXPECT_THAT(Says("a"), HasSubstr("Enabled True"));
  EXPECT_THAT(Says("b"), HasSubstr("Error False AlreadyRegistered: "));
  EXPECT_FALSE(Cluster("b")["status"].contains("uid"));
}

struct Wrong {
  const char* name;
  /// Of the Secret; null for none.
  const char* kubeconfig;
  absl::Status answer;
  const char* says;
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class WrongClusterTest : public ClustersTest, public testing::WithParamInterface<Wrong> {};

TEST_P(WrongClusterTest, SaysWhatToDoAndIsTriedAgain) {
  const Wrong& wrong = GetParam();
  MakeCloud();
  Advance();
  if (!wrong.answer.ok()) clusters_.Fail(wrong.kubeconfig, wrong.answer);
  Create(kube::kIotClusters, "slicelet", "plant", {{"role", "edge"}, {"kubeconfigSecret", "access"}});
  if (wrong.kubeconfig != nullptr) MakeSecret("access", wrong.kubeconfig);
  Advance();
  EXPECT_THAT(Says("plant"), HasSubstr(wrong.says));
  EXPECT_FALSE(Cluster("plant")["status"].contains("uid"));
  // Mended; nothing else changes that anybody watches.
  clusters_.Put("good", "u-plant");
  const Json good = {{"data", {{"kubeconfig", Base64Encode("good")}}}};
  if (Get(kube::kSecrets, "slicelet", "access").is_null()) {
    CreateWith(kube::kSecrets, "slicelet", "access", good);
  } else {
    Patch(kube::kSecrets, "slicelet", "access", good);
  }
  Advance(minutes(2));
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
  // Wrong again: it says so, and stays who it is.
  Patch(kube::kSecrets, "slicelet", "access", {{"data", {{"kubeconfig", nullptr}}}});
  Advance(minutes(2));
  EXPECT_THAT(Says("plant"), HasSubstr("Error False KubeconfigMissing: "));
  EXPECT_EQ(Cluster("plant")["status"]["uid"], "u-plant");
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongClusterTest,
    testing::Values(
        Wrong{
            "NoSecret", nullptr, absl::OkStatus(),
            "Error False SecretNotFound: spec.kubeconfigSecret: Secret access is not in namespace slicelet: "
            "make it, with the kubeconfig under the key kubeconfig"},
        Wrong{"EmptySecret", "", absl::OkStatus(),
              "Error False KubeconfigMissing: spec.kubeconfigSecret: Secret access holds nothing under the "
              "key"},
        Wrong{"NoKubeconfig", "x", absl::InvalidArgumentError("Secret access: user.exec is not supported"),
              "Error False KubeconfigInvalid: Secret access: user.exec is not supported: give one with "
              "everything inside it, as kubectl config view"},
        Wrong{
            "WrongUser", "x", absl::UnauthenticatedError("GET https://h/version: Unauthorized"),
            "Error False AccessDenied: GET https://h/version: Unauthorized: its user needs get of namespace "
            "kube-system and list of nodes"},
        Wrong{"PoorUser", "x", absl::PermissionDeniedError("nodes is forbidden"),
              "Error False AccessDenied: nodes is forbidden"},
        Wrong{"Nowhere", "x", absl::UnavailableError("no route to host"),
              "Pending False Unreachable: no route to host: it is tried again"},
        Wrong{"NoApiServer", "x", absl::NotFoundError("GET https://h/version: not found"),
              "Pending False Unreachable: GET https://h/version: not found"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(ClustersTest, OneThatIsLostIsDegradedAndComesBack) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  ASSERT_THAT(Says("plant"), HasSubstr("Enabled True"));
  clusters_.Fail("plant", absl::UnavailableError("no route to host"));
  Advance(minutes(5));
  const std::string lost = Says("plant");
  EXPECT_THAT(lost, HasSubstr("Degraded False Unreachable: not reached since "));
  EXPECT_THAT(lost, HasSubstr("Z: no route to host"));
  EXPECT_EQ(Cluster("plant")["status"]["uid"], "u-plant");
  Advance(minutes(30));
  EXPECT_EQ(Says("plant"), lost) << "since then, and not since now";
  Crash();
  Advance(minutes(5));
  EXPECT_EQ(Says("plant"), lost);
  clusters_.Put("plant", "u-plant");
  Advance(minutes(2));
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
}

TEST_F(ClustersTest, WhatAClusterLacksIsToldAndHoldsNothingUp) {
  MakeCloud();
  clusters_.Put("plant", "u-plant", {"False", "NoDefaultStorageClass", "none"},
                {"Unknown", "NoNodes", "no nodes"});
  MakeEdge("plant", "plant");
  Advance();
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
  EXPECT_EQ(Has("plant"),
            "DefaultStorageClass=False NoDefaultStorageClass: none, NetworkPlugin=Unknown NoNodes: no nodes");
  MakeSlice("north", {{"edge", {{"cluster", "core"}}}});
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "north")), HasSubstr("True Ready: "));
  clusters_.Put("plant", "u-plant");
  Advance(minutes(2));
  EXPECT_EQ(Has("plant"), "DefaultStorageClass=True Found: fast, NetworkPlugin=True Found: a");
  // While it is lost nobody knows.
  clusters_.Fail("plant", absl::UnavailableError("no route to host"));
  Advance(minutes(5));
  EXPECT_THAT(Says("plant"), HasSubstr("Degraded False"));
  EXPECT_EQ(Has("plant"),
            "DefaultStorageClass=Unknown NotEnabled: see condition Ready, "
            "NetworkPlugin=Unknown NotEnabled: see condition Ready");
}

TEST_F(ClustersTest, OfAClusterThatWasNeverRegisteredNothingIsToldButWhy) {
  clusters_.Put("plant", "u-plant");
  MakeEdge("plant", "plant");
  Advance();
  ASSERT_THAT(Says("plant"), HasSubstr("Pending False CloudFirst: "));
  EXPECT_EQ(Cluster("plant")["status"]["conditions"].size(), 1U);
}

TEST_F(ClustersTest, OneThatMissesAnAnswerIsNotLost) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  const auto version = server_.cluster().version();
  for (int restarts = 0; restarts < 2; ++restarts) {
    clusters_.Fail("plant", absl::UnavailableError("connection reset"));
    for (const int former = clusters_.questions(); clusters_.questions() < former + 2;) AdvanceASecond();
    clusters_.Put("plant", "u-plant");
    Advance(minutes(5));
    EXPECT_EQ(server_.cluster().version(), version);
    // Nor is it when the hub begins anew.
    Crash();
  }
}

TEST_F(ClustersTest, WhileTheHubsApiServerIsAwayNothingIsLearnt) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  SecretsAnswer(absl::UnavailableError("etcd has no leader"));
  Advance(minutes(30));
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
  SecretsAnswer(absl::PermissionDeniedError("secrets is forbidden"));
  Advance(minutes(2));
  EXPECT_THAT(Says("plant"), HasSubstr("Error False SecretNotReadable: spec.kubeconfigSecret: Secret "
                                       "plant-access: secrets is forbidden: let the provider get Secrets"));
}

TEST_F(ClustersTest, AKubeconfigThatLeadsElsewhereIsNoticed) {
  clusters_.Put("plant", "u-plant");
  clusters_.Put("other", "u-other");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  Patch(kube::kSecrets, "slicelet", "plant-access", {{"data", {{"kubeconfig", Base64Encode("other")}}}});
  Advance(minutes(2));
  EXPECT_THAT(Says("plant"),
              HasSubstr("Error False AnotherCluster: it was registered as the cluster with uid "
                        "u-plant, and https://u-other:6443 is the one with uid u-other"));
  EXPECT_EQ(Cluster("plant")["status"]["uid"], "u-plant");
}

TEST_F(ClustersTest, AnotherContextIsTriedAtOnce) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  Patch(kube::kIotClusters, "slicelet", "plant", {{"spec", {{"context", "second"}}}});
  Advance(seconds(2));
  EXPECT_EQ(clusters_.context(), "second");
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
  EXPECT_EQ(Cluster("plant")["status"]["observedGeneration"], Cluster("plant")["metadata"]["generation"]);
}

TEST_F(ClustersTest, OnesInUseStay) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  MakeSlice("north", {{"cloud", {{"cluster", "core"}}}});
  Advance();
  Remove("core");
  Advance();
  EXPECT_THAT(Says("core"), HasSubstr("Terminating False InUse: slices use it: north: delete them first, or "
                                      "annotate this cluster with slicelet.io/give-up"));
  Delete(kube::kIotSlices, "slicelet", "north");
  Advance();
  EXPECT_THAT(Says("core"), HasSubstr("Terminating False InUse: the cloud cluster goes last, and there are "
                                      "edge clusters: plant"));
  EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
  Remove("plant");
  Advance();
  EXPECT_EQ(Cluster("plant"), Json());
  EXPECT_EQ(Cluster("core"), Json());
}

TEST_F(ClustersTest, OneInUseCanBeGivenUp) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  MakeSlice("north", {{"edge", {{"cluster", "core"}}}});
  Advance();
  Remove("core");
  Patch(kube::kIotClusters, "slicelet", "core", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Cluster("core"), Json());
  EXPECT_THAT(Says("plant"), HasSubstr("Pending False CloudFirst: "));
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "north")), HasSubstr("False ClusterNotFound: "));
}

TEST_F(ClustersTest, NothingIsGivenUpForAnythingButTrue) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  Remove("core");
  for (const std::string& value :
       {std::string(), std::string("false"), std::string("True"), std::string("0"), std::string("1"),
        std::string("-1"), std::string("true "), std::string(1'000, '1')}) {
    Patch(kube::kIotClusters, "slicelet", "core", {{"metadata", {{"annotations", {{kGiveUp, value}}}}}});
    Advance();
    EXPECT_THAT(Says("core"), HasSubstr("annotate this cluster with slicelet.io/give-up: \"true\"")) << value;
  }
}

TEST_F(ClustersTest, NothingIsWrittenWhileNothingChanges) {
  clusters_.Put("plant", "u-plant");
  MakeCloud();
  MakeEdge("plant", "plant");
  Advance();
  const auto version = server_.cluster().version();
  const int questions = clusters_.questions();
  Advance(minutes(30));
  Crash();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version);
  EXPECT_GT(clusters_.questions(), questions + 60);
  EXPECT_LT(clusters_.questions(), questions + 180);
}

TEST_F(ClustersTest, AfterACrashAtEveryWriteItIsRegisteredAndGoesAllTheSame) {
  clusters_.Put("plant", "u-plant");
  for (int at = 1; at <= 14; ++at) {
    for (const bool lost : {false, true}) {
      SCOPED_TRACE("crash after write " + std::to_string(at) + (lost ? ", answer lost" : ""));
      int writes = 0;
      bool crash = false;
      server_.faults().after = [&](const kube::KubeCall& call, const absl::Status& outcome) -> absl::Status {
        if (call.user != "provider" || call.verb != kube::Verb::kPatch || ++writes != at) return outcome;
        crash = true;
        return lost ? absl::UnavailableError("connection reset") : outcome;
      };
      const auto live = [&] {
        for (int second = 0; second < 60; ++second) {
          if (std::exchange(crash, false)) Crash();
          AdvanceASecond();
        }
      };
      MakeEdge("plant", "plant");
      MakeCloud();
      live();
      EXPECT_THAT(Says("core"), HasSubstr("Enabled True"));
      EXPECT_THAT(Says("plant"), HasSubstr("Enabled True"));
      Remove("core");
      Remove("plant");
      live();
      EXPECT_EQ(Cluster("core"), Json());
      EXPECT_EQ(Cluster("plant"), Json());
      Delete(kube::kSecrets, "slicelet", "plant-access");
      server_.faults().after = nullptr;
      if (HasFailure()) return;
    }
  }
}

TEST_F(ClustersTest, ANamespaceThatASliceLeavesIsForTheNextOne) {
  MakeSlice("first", {{"namespace", "shared"}});
  Advance();
  MakeSlice("second", {{"namespace", "shared"}});
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "second")), HasSubstr("False NamespaceTaken: "));
  Delete(kube::kIotSlices, "slicelet", "first");
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "second")), HasSubstr("True Ready: "));
}

}  // namespace
}  // namespace slicelet::provider
