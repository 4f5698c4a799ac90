#include "provider/translate/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::ElementsAre;

TEST(Translate, FillsInWhatTheApiServerWouldForPodsFromFiles) {
  const auto workload = Translated(SamplePod()).workload;

  EXPECT_EQ(workload.restart_policy(), v1::RESTART_POLICY_ALWAYS);
  EXPECT_EQ(workload.termination_grace_seconds(), 30);
  EXPECT_EQ(workload.hostname(), "web");
  EXPECT_EQ(workload.service_account(), "default");
  EXPECT_EQ(workload.containers(0).pull_policy(), v1::PULL_POLICY_IF_NOT_PRESENT);
  EXPECT_EQ(workload.containers(0).termination_message_path(), "/dev/termination-log");
}

struct ImageCase {
  std::string image;
  v1::PullPolicy policy;
};

class DefaultPullPolicy : public ::testing::TestWithParam<ImageCase> {};
TEST_P(DefaultPullPolicy, IsAlwaysForLatest) {
  const auto pod = With("/spec/containers/0/image", GetParam().image);
  EXPECT_EQ(Translated(pod).workload.containers(0).pull_policy(), GetParam().policy);
}

INSTANTIATE_TEST_SUITE_P(Images, DefaultPullPolicy,
                         ::testing::Values(ImageCase{"foo", v1::PULL_POLICY_ALWAYS},
                                           ImageCase{"localhost:5000/foo", v1::PULL_POLICY_ALWAYS},
                                           ImageCase{"localhost:5000/foo:latest", v1::PULL_POLICY_ALWAYS},
                                           ImageCase{"localhost:5000/foo:2", v1::PULL_POLICY_IF_NOT_PRESENT},
                                           ImageCase{"foo@sha256:00", v1::PULL_POLICY_IF_NOT_PRESENT}));

TEST(Translate, GivesTheSameBytesEveryTime) {
  Json labels = Json::object();
  for (int i = 0; i < 50; ++i) labels["key-" + std::to_string(i)] = "v";
  const auto pod = With("/metadata/labels", labels);

  EXPECT_EQ(SerializeDeployment(Translated(pod)), SerializeDeployment(Translated(pod)));
  v1::Workload back;
  ASSERT_TRUE(back.ParseFromString(SerializeDeployment(Translated(pod))));
  EXPECT_EQ(back.labels_size(), 50);
}

TEST(Translate, DoesNotChangeTheBytesWhenThePodGetsItsAddress) {
  const auto before = SerializeDeployment(Translated(SamplePod()));
  const auto after = SerializeDeployment(
      Translated(With("/metadata/annotations", {{"slicelet.io/host-pod-ip", "10.1.2.3"}})));
  EXPECT_EQ(before, after);
}

TEST(Translate, ListsTheContentsAndCredentialsItRefersTo) {
  Json pod = SamplePod();
  pod["spec"]["imagePullSecrets"] = Json::parse(R"([{"name": "registry"}])");
  pod["spec"]["volumes"] = Json::parse(R"([
      {"name": "a", "configMap": {"name": "settings"}},
      {"name": "b", "secret": {"secretName": "key"}},
      {"name": "c", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}},
                                              {"configMap": {"name": "settings"}}]}}])");
  v1::ContainerEnvironment environment;
  environment.set_container("main");
  auto& var = *environment.add_env();
  var.set_name("PASSWORD");
  var.mutable_secret()->set_content_id("secret/database");
  var.mutable_secret()->set_key("password");

  const auto result = Translate(pod, {environment});

  ASSERT_TRUE(std::holds_alternative<Translation>(result));
  const auto& translation = std::get<Translation>(result);
  EXPECT_THAT(translation.contents, ElementsAre(ContentId("configmap/settings"), ContentId("secret/database"),
                                                ContentId("secret/key"), ContentId("secret/registry")));
  EXPECT_THAT(translation.credentials, ElementsAre("c/t"));
}

TEST(Translate, KeepsTheOrderOfTheResolvedEnvironment) {
  v1::ContainerEnvironment environment;
  environment.set_container("main");
  for (const char* name : {"Z", "A", "M"}) environment.add_env()->set_name(name);

  const auto result = Translate(SamplePod(), {environment});

  ASSERT_TRUE(std::holds_alternative<Translation>(result));
  const auto& env = std::get<Translation>(result).workload.containers(0).env();
  ASSERT_EQ(env.size(), 3);
  EXPECT_EQ(env[0].name(), "Z");
  EXPECT_EQ(env[1].name(), "A");
  EXPECT_EQ(env[2].name(), "M");
}

TEST(Translate, TellsTheHostWhichContainerLacksItsConfiguration) {
  v1::ContainerEnvironment environment;
  environment.set_container("main");
  environment.set_config_error("configmap \"settings\" not found");
  const auto pod =
      With("/spec/containers/0/envFrom", Json::parse(R"([{"configMapRef": {"name": "settings"}}])"));

  const auto result = Translate(pod, {environment});

  ASSERT_TRUE(std::holds_alternative<Translation>(result));
  const auto& container = std::get<Translation>(result).workload.containers(0);
  EXPECT_EQ(container.config_error(), "configmap \"settings\" not found");
  EXPECT_EQ(container.env_size(), 0);
}

TEST(Translate, SaysSoWhenNobodyResolvedAnEnvironmentVariable) {
  const auto pod =
      With("/spec/containers/0/env",
           Json::parse(R"([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])"));
  EXPECT_THAT(Translated(pod).ignored, ElementsAre("spec.containers[0].env[0].valueFrom.fieldRef"));
}

TEST(Translate, ListsUnknownFieldsWithTheirPaths) {
  Json pod = With("/spec/newIdea", true);
  pod["spec"]["containers"][0]["shiny"] = {{"a", 1}};
  pod["spec"]["containers"][0]["nothing"] = nullptr;
  EXPECT_THAT(Translated(pod).ignored, ElementsAre("spec.containers[0].shiny", "spec.newIdea"));
}

// The automatic token: only who asks for it gets one.

Json PodWithAutomaticToken() {
  return With("/spec/volumes", Json::parse(R"([{"name": "kube-api-access-abcde", "projected": {"sources": [
      {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
      {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
      {"downwardAPI": {"items": [{"path": "namespace",
                                  "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}])"));
}

TEST(AutomaticToken, IsLeftOutUnlessThePodAsks) {
  const auto translation = Translated(PodWithAutomaticToken());
  EXPECT_EQ(translation.workload.volumes(0).projection().sources_size(), 2);
  EXPECT_TRUE(translation.credentials.empty());
  EXPECT_TRUE(translation.ignored.empty());
}

TEST(AutomaticToken, IsDeliveredWhereTheHubSaysSo) {
  EXPECT_THAT(Translated(PodWithAutomaticToken(), {.api_access_default = true}).credentials,
              ElementsAre("kube-api-access-abcde/token"));
}

TEST(AutomaticToken, IsWithheldFromAPodThatDoesNotWantIt) {
  Json pod = PodWithAutomaticToken();
  pod["metadata"]["annotations"]["slicelet.io/api-access"] = "false";
  EXPECT_TRUE(Translated(pod, {.api_access_default = true}).credentials.empty());
}

TEST(DaemonSetPods, RunWhereTheyTolerateTheSliceByName) {
  Json pod = With("/metadata/ownerReferences", Json::parse(R"([{"kind": "DaemonSet"}])"));
  pod["spec"]["tolerations"] = Json::parse(R"([{"operator": "Exists"}])");
  EXPECT_EQ(Refused(pod).field(), "spec.tolerations");

  pod["spec"]["tolerations"] = Json::parse(R"([{"key": "slicelet.io/slice-node", "operator": "Exists"}])");
  EXPECT_EQ(Translated(pod).workload.name(), "web");
  EXPECT_EQ(Refused(pod, {.taint_key = "azure.com/edge"}).field(), "spec.tolerations");
}

TEST(Translate, UsesLimitsWhereRequestsAreNotGiven) {
  const auto pod =
      With("/spec/containers/0/resources",
           Json::parse(R"({"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": "100m"}})"));
  const auto container = Translated(pod).workload.containers(0);
  EXPECT_EQ(container.requests().cpu_milli(), 100);
  EXPECT_EQ(container.requests().memory_bytes(), 1'073'741'824);
  EXPECT_EQ(container.limits().cpu_milli(), 2000);
  EXPECT_FALSE(container.limits().has_ephemeral_storage_bytes());
}

TEST(Translate, CutsALongPodNameToAHostname) {
  const std::string name = std::string(62, 'a') + "-b";
  EXPECT_EQ(Translated(With("/metadata/name", name)).workload.hostname(), std::string(62, 'a'));
}

}  // namespace
}  // namespace slicelet::provider
