#include "kube/http/cluster_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::kube {
namespace {

constexpr char kDefault[] = "storageclass.kubernetes.io/is-default-class";

Json StorageClass(const std::string& name, const Json& annotations = Json::object()) {
  return {{"metadata", {{"name", name}, {"annotations", annotations}}}};
}

struct Node {
  std::string name;
  /// Of its condition Ready.
  std::string status;
  std::string message{};
  /// Of its condition NetworkUnavailable; empty for none.
  std::string unavailable{};
};

Json Nodes(const std::vector<Node>& nodes) {
  Json items = Json::array();
  for (const Node& node : nodes) {
    Json conditions = Json::array({{{"type", "Ready"}, {"status", node.status}, {"message", node.message}}});
    if (!node.unavailable.empty()) {
      conditions.push_back(
          {{"type", "NetworkUnavailable"}, {"status", node.unavailable}, {"message", "no route was made"}});
    }
    items.push_back({{"metadata", {{"name", node.name}}}, {"status", {{"conditions", conditions}}}});
  }
  return {{"items", items}};
}

std::string Shown(const ClusterFeature& feature) {
  return feature.status + " " + feature.reason + ": " + feature.message;
}
std::string NetworkOf(const std::vector<Node>& nodes) {
  return Shown(NetworkPluginOn(Nodes(nodes), NetworkWithoutNodes()));
}

constexpr char kNoPlugin[] =
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network "
    "plugin returns error: cni plugin not initialized";

TEST(ClusterFeatures, AStorageClassIsTheDefaultByItsAnnotation) {
  const auto of = [](const Json& items) { return Shown(DefaultStorageClassIn({{"items", items}})); };
  EXPECT_EQ(of(Json::array()),
            "False NoDefaultStorageClass: there is no StorageClass: a claim that names none stays Pending");
  EXPECT_EQ(of(Json::array({StorageClass("slow"), StorageClass("fast", {{kDefault, "false"}})})),
            "False NoDefaultStorageClass: none is the default: slow, fast: a claim that names none stays "
            "Pending");
  EXPECT_EQ(of(Json::array({StorageClass("slow"), StorageClass("fast", {{kDefault, "true"}})})),
            "True Found: StorageClass fast");
  EXPECT_EQ(
      of(Json::array({StorageClass("old", {{"storageclass.beta.kubernetes.io/is-default-class", "true"}})})),
      "True Found: StorageClass old");
}

TEST(ClusterFeatures, OneNodeWithANetworkIsEnough) {
  EXPECT_EQ(NetworkOf({}), "Unknown NoNodes: it has no nodes, but for those of hubs");
  EXPECT_EQ(NetworkOf({{"a", "Unknown"}}), "Unknown NoNodeReady: node a is not Ready");
  EXPECT_EQ(NetworkOf({{"a", "False", kNoPlugin}, {"b", "Unknown"}}),
            "False NetworkUnavailable: node a: " + std::string(kNoPlugin));
  EXPECT_EQ(NetworkOf({{"a", "Unknown"}, {"b", "True", "", "True"}}),
            "False NetworkUnavailable: node b: no route was made");
  const std::string found = "True Found: node c is Ready, and does not say that its network is missing";
  EXPECT_EQ(NetworkOf({{"a", "False", kNoPlugin}, {"b", "True", "", "True"}, {"c", "True"}, {"d", "True"}}),
            found);
  EXPECT_EQ(NetworkOf({{"c", "True", "", "False"}}), found);
}

TEST(ClusterFeatures, WhatEarlierNodesHaveShownStays) {
  const ClusterFeature missing = NetworkPluginOn(Nodes({{"a", "False", kNoPlugin}}), NetworkWithoutNodes());
  EXPECT_EQ(NetworkPluginOn(Nodes({{"b", "Unknown"}, {"c", "False", kNoPlugin}}), missing), missing);
  EXPECT_EQ(NetworkPluginOn(Nodes({{"d", "True"}}), missing).status, "True");
}

TEST(ClusterFeatures, StrangersTextsAreCutAtACharacter) {
  std::string name;
  for (int i = 0; i < 400; ++i) name += "\xc3\xa4";
  const ClusterFeature feature = DefaultStorageClassIn({{"items", {StorageClass("x" + name)}}});
  EXPECT_LT(feature.message.size(), 700U);
  EXPECT_NO_THROW(static_cast<void>(Json(feature.message).dump()));
}

TEST(ClusterFeatures, AnAnswerThatMakesNoSenseHasNothing) {
  for (const Json& answer : {Json(), Json(1), Json::array({1}), Json{{"items", 1}}, Json{{"items", {1}}},
                             Json{{"items", {{{"status", {{"conditions", {1}}}}}}}}}) {
    EXPECT_EQ(DefaultStorageClassIn(answer).status, "False") << answer;
    EXPECT_EQ(NetworkPluginOn(answer, NetworkWithoutNodes()).status, "Unknown") << answer;
  }
}

TEST(ClusterFeatures, WhatMayNotBeReadSaysWhichRightIsMissing) {
  EXPECT_EQ(Shown(Unreadable(absl::PermissionDeniedError("forbidden"), "list storageclasses")),
            "Unknown AccessDenied: forbidden: to have it told, let its user list storageclasses");
  EXPECT_EQ(Shown(Unreadable(absl::NotFoundError("no such path"), "list storageclasses")),
            "Unknown NotAnswered: no such path");
}

}  // namespace
}  // namespace slicelet::kube
