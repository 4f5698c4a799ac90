#include "provider/translate/translate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json Pod() {
  return Json::parse(R"({"metadata": {"uid": "u-1", "name": "web", "namespace": "shop"},
                         "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]}})");
}

Json With(const char* pointer, Json value) {
  Json pod = Pod();
  pod[Json::json_pointer(pointer)] = std::move(value);
  return pod;
}

Translation Translated(const Json& pod, const TranslateOptions& options = {}) {
  auto result = Translate(pod, {}, options);
  if (const auto* refusal = std::get_if<v1::Refusal>(&result)) {
    ADD_FAILURE() << refusal->message();
    return {};
  }
  return std::get<Translation>(std::move(result));
}

v1::Refusal Refused(const Json& pod, const TranslateOptions& options = {}) {
  auto result = Translate(pod, {}, options);
  if (const auto* refusal = std::get_if<v1::Refusal>(&result)) return *refusal;
  ADD_FAILURE() << "translated";
  return {};
}

TEST(Translate, FillsInWhatTheApiServerWouldForPodsFromFiles) {
  const auto workload = Translated(Pod()).workload;

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
  const auto before = SerializeDeployment(Translated(Pod()));
  const auto after = SerializeDeployment(
      Translated(With("/metadata/annotations", {{"slicelet.io/host-pod-ip", "10.1.2.3"}})));
  EXPECT_EQ(before, after);
}

TEST(Translate, ListsTheContentsAndCredentialsItRefersTo) {
  Json pod = Pod();
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

  const auto result = Translate(Pod(), {environment});

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

TEST(Translate, RefusesAVolumeOfAnUnknownKind) {
  const auto refusal = Refused(With("/spec/volumes", Json::parse(R"([{"name": "v", "holographic": {}}])")));
  EXPECT_EQ(refusal.field(), "spec.volumes[0].holographic");
  EXPECT_EQ(refusal.reason(), "PodFeatureUnsupported");
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

// Bad values: the refusal names the field and the value.

struct BadCase {
  const char* pointer;
  const char* value;
  const char* field;
  const char* in_message;
};
class BadValue : public ::testing::TestWithParam<BadCase> {};
TEST_P(BadValue, IsRefusedByName) {
  const BadCase& bad = GetParam();
  const auto refusal = Refused(With(bad.pointer, Json::parse(bad.value)));
  EXPECT_EQ(refusal.field(), bad.field);
  EXPECT_THAT(refusal.message(), HasSubstr(bad.in_message));
}
INSTANTIATE_TEST_SUITE_P(
    Table, BadValue,
    ::testing::Values(
        BadCase{"/spec", "7", "spec", "is 7"},
        BadCase{"/spec/containers", "[]", "spec.containers", "is required"},
        BadCase{"/spec/containers", R"("x")", "spec.containers", R"(is "x")"},
        BadCase{"/spec/containers/0/image", "null", "spec.containers[0].image", "is required"},
        BadCase{"/spec/containers/0/name", R"("../x")", "spec.containers[0].name", "../x"},
        BadCase{"/spec/containers/0/command", R"(["sh", 1])", "spec.containers[0].command", "is 1"},
        BadCase{"/spec/containers/0/imagePullPolicy", R"("Sometimes")", "spec.containers[0].imagePullPolicy",
                "Sometimes"},
        BadCase{"/spec/containers/0/resources", R"({"limits": {"cpu": "many"}})",
                "spec.containers[0].resources.limits.cpu", "many"},
        BadCase{"/spec/containers/0/resources", R"({"limits": {"memory": "-1"}})",
                "spec.containers[0].resources.limits.memory", "-1"},
        BadCase{"/spec/containers/0/ports", R"([{"containerPort": 70000}])",
                "spec.containers[0].ports[0].containerPort", "70000"},
        BadCase{"/spec/containers/0/ports", R"([{"containerPort": 1, "protocol": "HTTP"}])",
                "spec.containers[0].ports[0].protocol", "HTTP"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"httpGet": {"port": "web"}})",
                "spec.containers[0].livenessProbe.httpGet.port", "web"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"tcpSocket": {"port": 0}})",
                "spec.containers[0].livenessProbe.tcpSocket.port", "is 0"},
        BadCase{"/spec/containers/0/livenessProbe", "{}", "spec.containers[0].livenessProbe", "needs one of"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"tcpSocket": {"port": 1}, "grpc": {"port": 1}})",
                "spec.containers[0].livenessProbe", "more than one"},
        BadCase{"/spec/containers/0/lifecycle", R"({"preStop": {"tcpSocket": {"port": 1}}})",
                "spec.containers[0].lifecycle.preStop.tcpSocket", "probes only"},
        BadCase{"/spec/containers/0/volumeMounts", R"([{"name": "gone", "mountPath": "/x"}])",
                "spec.containers[0].volumeMounts[0].name", "gone"},
        BadCase{"/spec/initContainers", R"([{"name": "main", "image": "x:1"}])", "spec.containers[0].name",
                "used twice"},
        BadCase{"/spec/initContainers", R"([{"name": "i", "image": "x:1", "restartPolicy": "Never"}])",
                "spec.initContainers[0].restartPolicy", "Never"},
        BadCase{"/spec/restartPolicy", R"("Perhaps")", "spec.restartPolicy", "Perhaps"},
        BadCase{"/spec/dnsPolicy", R"("None")", "spec.dnsConfig.nameservers", "is required"},
        BadCase{"/spec/terminationGracePeriodSeconds", "-1", "spec.terminationGracePeriodSeconds", "-1"},
        BadCase{"/spec/volumes", R"([{"name": "v", "hostPath": {"path": "/a/../etc"}}])",
                "spec.volumes[0].hostPath.path", "/a/../etc"},
        BadCase{"/spec/volumes", R"([{"name": "v", "emptyDir": {"medium": "HugePages"}}])",
                "spec.volumes[0].emptyDir.medium", "HugePages"},
        BadCase{"/spec/volumes", R"([{"name": "v", "emptyDir": {"sizeLimit": "big"}}])",
                "spec.volumes[0].emptyDir.sizeLimit", "big"},
        BadCase{"/spec/volumes", R"([{"name": "v"}, {"name": "v"}])", "spec.volumes[1].name", "used twice"},
        BadCase{"/spec/volumes",
                R"([{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}}])",
                "spec.volumes[0].configMap.items[0].path", "../x"},
        BadCase{"/spec/volumes",
                R"([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "/t"}}]}}])",
                "spec.volumes[0].projected.sources[0].serviceAccountToken.path", "/t"},
        BadCase{"/metadata/uid", R"("a/b")", "metadata.uid", "a/b"},
        BadCase{"/metadata/name", R"("Web")", "metadata.name", "Web"},
        BadCase{"/metadata/namespace", R"("..")", "metadata.namespace", ".."},
        BadCase{"/metadata/labels", R"({"slicelet.io/role": "boss"})", "metadata.labels[slicelet.io/role]",
                "boss"},
        BadCase{"/metadata/annotations", R"({"slicelet.io/priority": "high"})",
                "metadata.annotations[slicelet.io/priority]", "high"},
        BadCase{"/metadata/annotations", R"({"slicelet.io/priority": "3000000000"})",
                "metadata.annotations[slicelet.io/priority]", "3000000000"},
        BadCase{"/metadata/annotations", R"({"slicelet.io/autonomy": "a while"})",
                "metadata.annotations[slicelet.io/autonomy]", "a while"},
        BadCase{"/metadata/annotations", R"({"slicelet.io/log-tail": "10s"})",
                "metadata.annotations[slicelet.io/log-tail]", "a duration of 1m to 7d"},
        BadCase{"/metadata/annotations", R"({"slicelet.io/api-access": "yes"})",
                "metadata.annotations[slicelet.io/api-access]", "yes"}));

struct BadOrder {
  const char* value;
  const char* message;
};
class RefusedStartOrder : public ::testing::TestWithParam<BadOrder> {};
TEST_P(RefusedStartOrder, NamesKeyValueAndWhatIsWrong) {
  Json pod = Pod();
  pod["spec"]["containers"] =
      Json::parse(R"([{"name": "db", "image": "x:1"}, {"name": "data", "image": "x:1"},
                                              {"name": "device", "image": "x:1"}])");
  pod["spec"]["initContainers"] = Json::parse(R"([{"name": "setup", "image": "x:1"},
                                                  {"name": "broker", "image": "x:1", "restartPolicy": "Always"}])");
  pod["metadata"]["annotations"]["slicelet.io/depends-on"] = GetParam().value;
  const v1::Refusal refusal = Refused(pod);
  EXPECT_EQ(refusal.reason(), "InvalidAnnotation");
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/depends-on]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"" + std::string(GetParam().value) + "\""));
  EXPECT_THAT(refusal.message(), HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Values, RefusedStartOrder,
    ::testing::Values(
        BadOrder{"", "should be NAME=NAME[,NAME...]"}, BadOrder{"data", "\"data\" should be NAME=NAME"},
        BadOrder{"data=", "\"data=\" should be NAME=NAME"}, BadOrder{"=db", "\"=db\" should be NAME=NAME"},
        BadOrder{"data=db=device", "\"data=db=device\" should be"},
        BadOrder{"data=,db", "\"data=,db\" should be NAME=NAME"},
        BadOrder{"device=data;;data=db", "\"\" should be NAME=NAME"},
        BadOrder{"dta=db", "\"dta\" is no container of this pod, which has setup, broker, db, data, device"},
        BadOrder{"data=database", "\"database\" is no container of this pod"},
        BadOrder{"data=db; data=device", "\"data\" has two entries"},
        BadOrder{"data=data", "wait for each other: data -> data"},
        BadOrder{"db=device; device=data; data=db", "wait for each other: db -> device -> data -> db"},
        BadOrder{"device=data; data=db; db=data", "wait for each other: db -> data -> db"},
        BadOrder{"broker=db", "init container \"broker\" can not wait for \"db\", which starts after it"},
        BadOrder{"setup=broker", "init container \"setup\" can not wait for \"broker\""},
        BadOrder{"setup=setup", "wait for each other: setup -> setup"}));

TEST(Translate, ReadsTheStartOrder) {
  Json pod = Pod();
  pod["spec"]["containers"] =
      Json::parse(R"([{"name": "db", "image": "x:1"}, {"name": "data", "image": "x:1"},
                                              {"name": "device", "image": "x:1"}])");
  pod["spec"]["initContainers"] = Json::parse(R"([{"name": "setup", "image": "x:1"},
                                                  {"name": "broker", "image": "x:1", "restartPolicy": "Always"}])");
  pod["metadata"]["annotations"]["slicelet.io/depends-on"] =
      " device = data , broker,data ;\n data=db; broker=setup; ";
  const v1::Workload workload = Translated(pod).workload;
  EXPECT_THAT(workload.containers(0).depends_on(), ElementsAre());
  EXPECT_THAT(workload.containers(1).depends_on(), ElementsAre("db"));
  EXPECT_THAT(workload.containers(2).depends_on(), ElementsAre("data", "broker"));
  EXPECT_THAT(workload.init_containers(1).depends_on(), ElementsAre("setup"));
}

TEST(Translate, AGatewaysBlobHoldsItsWorkloadAndItsDevices) {
  Json pod = With("/metadata/labels", {{"slicelet.io/role", "gateway"}});
  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = "sensors";
  pod["spec"]["volumes"] = Json::parse(R"([{"name": "sensors", "configMap": {"name": "my-sensors"}}])");
  const Translation defaults = Translated(pod);
  EXPECT_EQ(defaults.gateway.core_metadata_port(), 59881);
  EXPECT_EQ(defaults.gateway.core_data_port(), 0) << "it has none";
  pod["spec"]["containers"][0]["name"] = "core-metadata";
  pod["spec"]["containers"][0]["ports"] = Json::parse(R"([{"containerPort": 4711}])");
  v1::GatewayDeployment gateway;
  ASSERT_TRUE(gateway.ParseFromString(SerializeDeployment(Translated(pod))));
  EXPECT_EQ(gateway.core_metadata_port(), 4711);
  pod["spec"]["containers"][0]["name"] = "core-data";
  EXPECT_EQ(Translated(pod).gateway.core_data_port(), 4711);
  pod["spec"]["containers"][0].erase("ports");
  EXPECT_EQ(Translated(pod).gateway.core_data_port(), 59880);
  EXPECT_EQ(gateway.devices_volume(), "sensors");
  EXPECT_EQ(gateway.workload().uid(), "u-1");
  EXPECT_EQ(ParseDeployment(v1::ROLE_GATEWAY, gateway.SerializeAsString())->uid(), "u-1");

  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = "sensor";
  const v1::Refusal refusal = Refused(pod);
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/iot-devices]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"sensor\""));
}

TEST(Translate, AServersBlobHoldsItsEndpoints) {
  Json pod = With("/metadata/labels", {{"slicelet.io/role", "server"}});
  pod["spec"]["containers"][0]["ports"] =
      Json::parse(R"([{"name": "mqtt", "containerPort": 1883, "hostPort": 18830}, {"containerPort": 9}])");
  v1::ServerDeployment server;
  ASSERT_TRUE(server.ParseFromString(SerializeDeployment(Translated(pod))));
  ASSERT_EQ(server.endpoints_size(), 1);
  EXPECT_EQ(server.endpoints(0).name(), "mqtt");
  EXPECT_EQ(server.endpoints(0).container(), "main");
  EXPECT_EQ(server.endpoints(0).port(), 1883);
  EXPECT_EQ(server.endpoints(0).host_port(), 18830);
  EXPECT_EQ(ParseDeployment(v1::ROLE_SERVER, server.SerializeAsString())->uid(), "u-1");
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

TEST(Translate, ReadsWhatAFleetNodesPodSaysAboutItsHosts) {
  const TranslateOptions fleet{.fleet = true};
  const Json pod = With("/metadata/annotations", {{"isEdgeDeployment", "true"},
                                                  {"targetCondition", "tags.building='b43'"},
                                                  {"priority", "15"},
                                                  {"slicelet.io/min-ready", "50%"}});
  const Translation translation = Translated(pod, fleet);
  ASSERT_TRUE(translation.fleet.has_value());
  EXPECT_EQ(translation.fleet->condition.text(), "tags.building='b43'");
  EXPECT_EQ(translation.priority, 15);
  EXPECT_THAT(translation.ignored, ElementsAre());

  const Translation elsewhere = Translated(pod);
  EXPECT_FALSE(elsewhere.fleet.has_value());
  EXPECT_EQ(elsewhere.priority, 0);
  EXPECT_THAT(elsewhere.ignored, ElementsAre("metadata.annotations[slicelet.io/min-ready]"));
}

TEST(Translate, RefusesABadFleetAnnotationByKeyAndValue) {
  const v1::Refusal refusal = Refused(
      With("/metadata/annotations", {{"slicelet.io/target-condition", "tags.site == 'x'"}}), {.fleet = true});
  EXPECT_EQ(refusal.reason(), "InvalidAnnotation");
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/target-condition]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"tags.site == 'x'\", column 12: "));
}

}  // namespace
}  // namespace slicelet::provider
