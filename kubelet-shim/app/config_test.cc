#include "kubelet-shim/app/config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

nlohmann::json Standalone() {
  return {{"hub", "demo"},
          {"provider", "unix:/run/slicelet/provider.sock"},
          {"address", "127.0.0.1"},
          {"ports", {{"first", 10250}, {"count", 4}}},
          {"directory", "/etc/slicelet/manifests"},
          {"tls", {{"ca", "ca.crt"}, {"certificate", "shim.crt"}, {"key", "shim.key"}}}};
}

nlohmann::json Cluster() {
  auto json = Standalone();
  json.erase("directory");
  json.erase("tls");
  json["kubeconfig"] = "/root/.kube/config";
  json["certificates"] = "/var/lib/slicelet/certificates";
  return json;
}

std::string ErrorOf(const nlohmann::json& json) { return Message(ReadShimConfig(json).status()); }

TEST(ReadShimConfig, StandaloneServesTheHubsOperators) {
  const auto config = ReadShimConfig(Standalone());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->standalone());
  EXPECT_EQ(config->listen, "127.0.0.1");
  EXPECT_EQ(config->ports, 4);
  EXPECT_THAT(config->access.users, IsEmpty());
  EXPECT_THAT(config->access.groups, ElementsAre("slicelet:operators"));
}

TEST(ReadShimConfig, AClusterServesItsApiServer) {
  const auto config = ReadShimConfig(Cluster());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->standalone());
  EXPECT_THAT(config->access.users, ElementsAre("kube-apiserver-kubelet-client"));
  EXPECT_THAT(config->access.groups, ElementsAre("system:masters"));
}

TEST(ReadShimConfig, NamesWhatIsWrong) {
  auto json = Cluster();
  json["colour"] = "blue";
  EXPECT_THAT(ErrorOf(json), HasSubstr("colour"));
  json = Cluster();
  json["referentRefresh"] = "0s";
  EXPECT_THAT(ErrorOf(json), HasSubstr("referentRefresh: is less than 1s"));
  json = Cluster();
  json["logLevel"] = "loud";
  EXPECT_THAT(ErrorOf(json), HasSubstr("logLevel: \"loud\" is none of debug, info, warning, error, off"));
  json = Cluster();
  json.erase("certificates");
  EXPECT_THAT(ErrorOf(json), HasSubstr("certificates"));
  json = Cluster();
  json["inCluster"] = true;
  EXPECT_THAT(ErrorOf(json), HasSubstr("exactly one of kubeconfig, directory and inCluster"));
  json = Cluster();
  json["provider"] = "provider:7444";
  EXPECT_THAT(ErrorOf(json), HasSubstr("tls"));
  json = Cluster();
  json["ports"] = {{"first", 65'000}, {"count", 1'000}};
  EXPECT_THAT(ErrorOf(json), HasSubstr("ports"));
  json = Standalone();
  json.erase("tls");
  EXPECT_THAT(ErrorOf(json), HasSubstr("standalone mode needs it"));
}

}  // namespace
}  // namespace slicelet::shim
