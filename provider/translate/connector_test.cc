#include "provider/translate/connector.h"

#include <gmock/gmock.h>

#include <ostream>

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::Workload Sensor(v1::RestartPolicy policy = v1::RESTART_POLICY_ALWAYS) {
  v1::Workload workload;
  workload.set_restart_policy(policy);
  workload.add_containers()->set_name("sensor");
  return workload;
}

struct Applied {
  v1::Workload workload = Sensor();
  ConnectorResult result;
};

Applied Good(const ConnectorMaps& maps) {
  Applied applied;
  const auto refusal = ApplyConnectorMaps(maps, applied.workload, applied.result);
  EXPECT_FALSE(refusal.has_value()) << refusal->message();
  return applied;
}

TEST(Connector, WithoutConfigMapsNothingChanges) {
  const Applied applied = Good({{"other", {{"createOptions", "nonsense"}}}});
  EXPECT_EQ(applied.workload.SerializeAsString(), Sensor().SerializeAsString());
  EXPECT_THAT(applied.result.ignored, IsEmpty());
}

TEST(Connector, AModulesSettingsBecomeItsContainers) {
  const Applied applied = Good({{"sensor",
                                 {{"status", "running"},
                                  {"restartPolicy", "on-unhealthy"},
                                  {"version", "1.0"},
                                  {"desiredProperties", R"({"boo": "bah"})"},
                                  {"createOptions", R"({
    "Env": ["RATE=5", "EMPTY="], "Cmd": ["run", "fast"], "Entrypoint": "/sensor", "WorkingDir": "/data",
    "ExposedPorts": {"27017/tcp": {}}, "Hostname": "x",
    "HostConfig": {"PortBindings": {"27017/tcp": [{"HostPort": "27018"}], "53/udp": [{"HostPort": "5353", "HostIp": "127.0.0.1"}]},
                   "Binds": ["/srv/data:/data:ro", "/dev/tty:/tty"], "Privileged": true, "Memory": 1048576,
                   "NanoCpus": 500000000, "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "LogConfig": {}}})"}}}});
  const v1::Container& container = applied.workload.containers(0);
  ASSERT_EQ(container.env_size(), 3);
  EXPECT_EQ(container.env(0).name() + "=" + container.env(0).literal(), "RATE=5");
  EXPECT_EQ(container.env(1).literal(), "");
  EXPECT_EQ(container.env(2).name() + "=" + container.env(2).literal(),
            R"(DESIRED_PROPERTIES={"boo":"bah"})");
  EXPECT_THAT(container.args(), ElementsAre("run", "fast"));
  EXPECT_THAT(container.command(), ElementsAre("/sensor"));
  EXPECT_EQ(container.working_dir(), "/data");
  ASSERT_EQ(container.ports_size(), 2);
  EXPECT_EQ(container.ports(0).container_port(), 27'017);
  EXPECT_EQ(container.ports(0).host_port(), 27'018);
  EXPECT_EQ(container.ports(0).protocol(), "TCP");
  EXPECT_EQ(container.ports(1).host_ip(), "127.0.0.1");
  ASSERT_EQ(applied.workload.volumes_size(), 2);
  EXPECT_EQ(applied.workload.volumes(0).host_path().path(), "/srv/data");
  EXPECT_EQ(container.mounts(0).path(), "/data");
  EXPECT_TRUE(container.mounts(0).read_only());
  EXPECT_FALSE(container.mounts(1).read_only());
  EXPECT_TRUE(container.security().privileged());
  EXPECT_EQ(container.limits().memory_bytes(), 1'048'576);
  EXPECT_EQ(container.limits().cpu_milli(), 500);
  EXPECT_THAT(container.security().add_capabilities(), ElementsAre("NET_ADMIN"));
  EXPECT_THAT(applied.result.ignored, ElementsAre("configmap/sensor.createOptions.HostConfig.LogConfig",
                                                  "configmap/sensor.createOptions.Hostname"));
}

TEST(Connector, NeverNeedsAPodThatDoesNotRestart) {
  v1::Workload workload = Sensor(v1::RESTART_POLICY_NEVER);
  ConnectorResult result;
  EXPECT_FALSE(ApplyConnectorMaps({{"sensor", {{"restartPolicy", "never"}}}}, workload, result).has_value());
}

TEST(Connector, RoutesAreNamedBecauseNothingFollowsThem) {
  const Applied applied = Good({{"edgehub", {{"desiredProperties", R"({
    "schemaVersion": "1.0", "routes": {"up": "FROM /* INTO $upstream", "local": {"route": "FROM /a INTO b", "priority": 1}},
    "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}})"}}}});
  EXPECT_THAT(applied.result.ignored_routes, ElementsAre("local", "up"));
  EXPECT_THAT(applied.result.ignored,
              ElementsAre("configmap/edgehub.desiredProperties.storeAndForwardConfiguration"));
}

TEST(Connector, RegistryCredentialsBecomeADockerConfiguration) {
  const char* expected = R"({"auths":{"registry.example":{"auth":"dTpw"}}})";
  for (
      const char* document :
      {R"({"registryCredentials": {"r": {"username": "u", "password": "p", "address": "registry.example"}}})",
       R"({"runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "registryCredentials":
            {"r": {"username": "u", "password": "p", "address": "registry.example"}}}}})"}) {
    EXPECT_EQ(Good({{"edgeagent", {{"desiredProperties", document}}}}).result.docker_config, expected);
  }
}

struct BadCase {
  std::string map, key, value, field, message;
  friend std::ostream& operator<<(std::ostream& out, const BadCase& one) {
    return out << one.map << "." << one.key << "=" << one.value;
  }
};

class BadConfigMap : public testing::TestWithParam<BadCase> {};

TEST_P(BadConfigMap, IsRefusedWithMapKeyAndValue) {
  v1::Workload workload = Sensor();
  ConnectorResult result;
  const auto& [map, key, value, field, message] = GetParam();
  const auto refusal = ApplyConnectorMaps({{map, {{key, value}}}}, workload, result);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), "InvalidConfigMap");
  EXPECT_EQ(refusal->field(), "configmap/" + map + "." + key + field);
  EXPECT_THAT(refusal->message(), HasSubstr(refusal->field() + " " + message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadConfigMap,
    testing::Values(
        BadCase{"sensor", "restartPolicy", "sometimes", "", "is \"sometimes\", should be always, on-failure"},
        BadCase{"sensor", "restartPolicy", "never", "", "is \"never\", which needs spec.restartPolicy"},
        BadCase{"sensor", "status", "stopped", "", "is \"stopped\", which slicelet does not do"},
        BadCase{"sensor", "status", "paused", "", "is \"paused\", should be running"},
        BadCase{"sensor", "desiredProperties", "[1]", "", "is \"[1]\", should be a JSON object"},
        BadCase{"sensor", "createOptions", "{", "", "is \"{\", should be a JSON object: "},
        BadCase{"sensor", "createOptions", std::string(200'000, ' '), "", "is longer than 131072 bytes"},
        BadCase{"sensor", "createOptions", R"({"Env": {"A": "b"}})", ".Env",
                "is {\"A\":\"b\"}, should be a list of texts"},
        BadCase{"sensor", "createOptions", R"({"Env": ["A"]})", ".Env", "holds \"A\", should be NAME=VALUE"},
        BadCase{"sensor", "createOptions", R"({"Env": [1]})", ".Env", "is [1], should be a list of texts"},
        BadCase{"sensor", "createOptions", R"({"Cmd": 1})", ".Cmd", "is 1, should be"},
        BadCase{"sensor", "createOptions", R"({"Entrypoint": {}})", ".Entrypoint", "is {}, should be"},
        BadCase{"sensor", "createOptions", R"({"WorkingDir": 1})", ".WorkingDir", "is 1, should be a text"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": []})", ".HostConfig",
                "is [], should be an object"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": []}})",
                ".HostConfig.PortBindings", "is [], should be an object of ports"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"http": []}}})",
                ".HostConfig.PortBindings[http]", "should be PORT/tcp"},
        BadCase{
            "sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "x"}]}}})",
            ".HostConfig.PortBindings[80/tcp]", "is {\"HostPort\":\"x\"}, should be an object with HostPort"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Binds": ["volume:/data"]}})",
                ".HostConfig.Binds", "holds \"volume:/data\", should be /HOST/PATH:/CONTAINER/PATH"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Privileged": "yes"}})",
                ".HostConfig.Privileged", "is \"yes\", should be true or false"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Memory": -1}})", ".HostConfig.Memory",
                "is -1, should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"NanoCpus": "1"}})", ".HostConfig.NanoCpus",
                "is \"1\", should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"CapAdd": 1}})", ".HostConfig.CapAdd",
                "is 1, should be"},
        BadCase{"edgehub", "desiredProperties", "null", "", "is \"null\", should be a JSON object"},
        BadCase{"edgehub", "desiredProperties", R"({"routes": []})", ".routes",
                "is [], should be an object of routes"},
        BadCase{"edgehub", "desiredProperties", R"({"routes": {"a": 1}})", ".routes.a",
                "is 1, should be a text"},
        BadCase{"edgeagent", "desiredProperties", R"({"runtime": 1})", ".runtime",
                "is 1, should be an object"},
        BadCase{"edgeagent", "desiredProperties",
                R"({"registryCredentials": {"r": {"username": "u", "password": "p"}}})",
                ".registryCredentials.r.address", "should be a text and not empty"}));

}  // namespace
}  // namespace slicelet::provider
