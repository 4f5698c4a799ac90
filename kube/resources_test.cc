#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/kube_api.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

TEST(Paths, FollowTheApiServersLayout) {
  EXPECT_EQ(CollectionPath(kPods, ""), "/api/v1/pods");
  EXPECT_EQ(CollectionPath(kPods, "shop"), "/api/v1/namespaces/shop/pods");
  EXPECT_EQ(CollectionPath(kNodes, "ignored"), "/api/v1/nodes");
  EXPECT_EQ(ObjectPath({kPods, "shop", "web-1", "status"}), "/api/v1/namespaces/shop/pods/web-1/status");
  EXPECT_EQ(ObjectPath({kLeases, "kube-node-lease", "gw", ""}),
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gw");
  EXPECT_EQ(ObjectPath({kEdgeHosts, "hub", "gw", "status"}),
            "/apis/slicelet.io/v1alpha1/namespaces/hub/edgehosts/gw/status");
}

TEST(Paths, EncodeNamesThatWouldChangeTheRoute) {
  EXPECT_EQ(ObjectPath({kConfigMaps, "a", "../b?x", ""}), "/api/v1/namespaces/a/configmaps/..%2Fb%3Fx");
}

TEST(RetryAfter, TravelsWithTheStatus) {
  absl::Status status = absl::UnavailableError("busy");
  EXPECT_EQ(RetryAfterSeconds(status), std::nullopt);
  SetRetryAfterSeconds(status, 7);
  EXPECT_EQ(RetryAfterSeconds(status), 7);
}

TEST(Object, MissingMembersAreEmpty) {
  const Json pod = Json::parse(R"({"metadata":{"name":"a","resourceVersion":"12"},"spec":{"nodeName":3}})");
  EXPECT_EQ(NameOf(pod), "a");
  EXPECT_EQ(UidOf(pod), "");
  EXPECT_EQ(TextAt(pod, {"spec", "nodeName"}), "");
  EXPECT_EQ(TextAt(pod, {"metadata", "name", "deeper"}), "");
  EXPECT_EQ(VersionNumber(ResourceVersionOf(pod)), 12U);
  EXPECT_EQ(VersionNumber("12x"), 0U);
}

}  // namespace
}  // namespace slicelet::kube
