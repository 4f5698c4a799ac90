#include "provider/translate/connector.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "common/json/testing/mutations.h"

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

std::string Long(std::size_t length = 10'000) { return std::string(length, 'x'); }

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

TEST(Connector, AnyTypeOfAnyMemberIsTakenOrRefused) {
  using Json = nlohmann::json;
  const Json options = Json::parse(R"({
    "Env": ["RATE=5"], "Cmd": ["run"], "Entrypoint": ["/sensor"], "WorkingDir": "/data", "ExposedPorts": {"1/tcp": {}},
    "HostConfig": {"PortBindings": {"1/tcp": [{"HostPort": "2", "HostIp": "127.0.0.1"}]}, "Binds": ["/a:/b:ro"],
                   "Mounts": [{"Type": "bind", "Source": "/a", "Target": "/c", "ReadOnly": true}],
                   "Privileged": true, "Memory": 1, "NanoCpus": 1, "CapAdd": ["A"], "CapDrop": ["B"]}})");
  const Json hub = Json::parse(R"({"schemaVersion": "1.0", "routes": {"a": "FROM /* INTO $upstream",
    "b": {"route": "FROM /* INTO $upstream", "priority": 1}}})");
  const Json agent = Json::parse(R"({"schemaVersion": "1.0", "runtime": {"type": "docker", "settings": {
    "registryCredentials": {"r": {"username": "u", "password": "p", "address": "a"}}}}})");
  const auto try_all = [](const char* map, const char* key, const Json& sound) {
    std::vector<Mutation> documents = MutationsOf(sound);
    for (const char* text : {"5", "null", "[]", "\"x\"", "{"}) documents.push_back({text, text});
    for (const Mutation& mutation : documents) {
      Applied applied;
      const std::string text =
          mutation.object.is_string() ? mutation.object.get<std::string>() : mutation.object.dump();
      EXPECT_NO_THROW((void)ApplyConnectorMaps({{map, {{"status", "running"}, {key, text}}}},
                                               applied.workload, applied.result))
          << key << mutation.what;
    }
  };
  try_all("sensor", "createOptions", options);
  try_all("sensor", "desiredProperties", options);
  try_all("edgehub", "desiredProperties", hub);
  try_all("edgeagent", "desiredProperties", agent);
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

TEST(Connector, CapabilitiesAreTakenAsDockerTakesThem) {
  const Applied applied =
      Good({{"sensor", {{"createOptions", R"({"HostConfig": {"CapAdd": ["CAP_SYS_TIME", "net_admin"]}})"}}}});
  EXPECT_THAT(applied.workload.containers(0).security().add_capabilities(),
              ElementsAre("SYS_TIME", "NET_ADMIN"));
}

TEST(Connector, APasswordIsNotRepeatedWhereItIsInTheWrongPlace) {
  v1::Workload workload = Sensor();
  ConnectorResult result;
  const auto refusal = ApplyConnectorMaps(
      {{"edgeagent", {{"desiredProperties", R"({"registryCredentials": {"r": "hunter2"}})"}}}}, workload,
      result);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT(refusal->message(), testing::Not(HasSubstr("hunter2")));
}

TEST(Connector, NamesOfAnyLengthAreShownShortened) {
  const Applied applied =
      Good({{"sensor", {{Long(), "1"}, {"createOptions", R"({")" + Long() + R"(": 1})"}}}});
  for (const std::string& ignored : applied.result.ignored) EXPECT_LT(ignored.size(), 250U);
  EXPECT_EQ(applied.result.ignored.size(), 2U);
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
        BadCase{"sensor", "createOptions", R"({"WorkingDir": 1})", ".WorkingDir",
                "is 1, should be an absolute path"},
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
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Binds": ["/srv/../etc:/etc"]}})",
                ".HostConfig.Binds", "holds \"/srv/../etc:/etc\", should be /HOST/PATH:/CONTAINER/PATH"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Privileged": "yes"}})",
                ".HostConfig.Privileged", "is \"yes\", should be true or false"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Memory": -1}})", ".HostConfig.Memory",
                "is -1, should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"NanoCpus": "1"}})", ".HostConfig.NanoCpus",
                "is \"1\", should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"CapAdd": 1}})", ".HostConfig.CapAdd",
                "is 1, should be"},
        BadCase{"sensor", "restartPolicy", Long(), "", "is \"" + Long(200) + "[...]\", should be always"},
        BadCase{"sensor", "restartPolicy", "", "", "is \"\", should be always"},
        BadCase{"sensor", "status", Long(), "", "is \"" + Long(200) + "[...]\", should be running"},
        BadCase{"sensor", "status", "", "", "is \"\", should be running"},
        BadCase{"sensor", "desiredProperties", Long(), "", "is \"" + Long(200) + "[...]\", should be a JSON"},
        BadCase{"sensor", "desiredProperties", R"({"a": )", "", R"(is "{"a": ", should be a JSON object: )"},
        BadCase{"sensor", "desiredProperties", std::string(200'000, ' '), "", "is longer than 131072 bytes"},
        BadCase{"sensor", "createOptions", Long(), "", "is \"" + Long(200) + "[...]\", should be a JSON"},
        BadCase{"sensor", "createOptions", R"({"Env": ["A=b",]})", "",
                "is \"{\"Env\": [\"A=b\",]}\", should be a"},
        BadCase{"sensor", "createOptions", R"({'Env': []})", "",
                "is \"{'Env': []}\", should be a JSON object: "},
        BadCase{"sensor", "createOptions", "\"{}\"", "", "is \"\"{}\"\", should be a JSON object"},
        BadCase{"sensor", "createOptions", R"({"Env": {}} {})", "",
                "is \"{\"Env\": {}} {}\", should be a JSON"},
        BadCase{"sensor", "createOptions", R"({"a": )" + std::string(40, '[') + std::string(40, ']') + "}",
                "", "is \"{\"a\": [["},
        BadCase{"sensor", "createOptions", R"({"Env": [")" + Long() + R"("]})", ".Env",
                "holds \"" + Long(200) + "[...]\", should be NAME=VALUE"},
        BadCase{"sensor", "createOptions", R"({"Env": ["=b"]})", ".Env",
                "holds \"=b\", should be NAME=VALUE"},
        BadCase{"sensor", "createOptions", R"({"Cmd": ["a", {}]})", ".Cmd", "is [\"a\",{}], should be"},
        BadCase{"sensor", "createOptions", R"({"Cmd": ["a\u0000b"]})", ".Cmd",
                "is [\"a\\u0000b\"], should be a list of texts without the character 0"},
        BadCase{"sensor", "createOptions", R"({"Entrypoint": ")" + Long() + R"(\u0000"})", ".Entrypoint",
                "is \"xxx"},
        BadCase{"sensor", "createOptions", R"({"WorkingDir": "data"})", ".WorkingDir",
                "is \"data\", should be an absolute path"},
        BadCase{"sensor", "createOptions", R"({"WorkingDir": "/)" + Long() + R"("})", ".WorkingDir",
                "is \"/xxx"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": ")" + Long() + R"("})", ".HostConfig",
                "is \"xxx"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"0/tcp": []}}})",
                ".HostConfig.PortBindings[0/tcp]", "should be PORT/tcp"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"65536/tcp": []}}})",
                ".HostConfig.PortBindings[65536/tcp]", "should be PORT/tcp"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"80/icmp": []}}})",
                ".HostConfig.PortBindings[80/icmp]", "should be PORT/tcp"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {")" + Long() + R"(": []}}})",
                ".HostConfig.PortBindings[" + Long(200) + "[...]]", "should be PORT/tcp"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"80/tcp": {}}}})",
                ".HostConfig.PortBindings[80/tcp]", "is {}, should be a list of bindings"},
        BadCase{
            "sensor", "createOptions", R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": 80}]}}})",
            ".HostConfig.PortBindings[80/tcp]", "is {\"HostPort\":80}, should be an object with HostPort"},
        BadCase{"sensor", "createOptions",
                R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "65536"}]}}})",
                ".HostConfig.PortBindings[80/tcp]", "is {\"HostPort\":\"65536\"}, should be"},
        BadCase{"sensor", "createOptions",
                R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80", "HostIp": 7}]}}})",
                ".HostConfig.PortBindings[80/tcp].HostIp", "is 7, should be an IP address"},
        BadCase{"sensor", "createOptions",
                R"({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80", "HostIp": "here"}]}}})",
                ".HostConfig.PortBindings[80/tcp].HostIp", "is \"here\", should be an IP address"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Binds": {}}})", ".HostConfig.Binds",
                "is {}, should be a list of texts"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Binds": ["/a:/b:rx"]}})", ".HostConfig.Binds",
                "holds \"/a:/b:rx\", should be /HOST/PATH"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Binds": ["/a:/)" + Long() + R"("]}})",
                ".HostConfig.Binds", "holds \"/a:/xxx"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Privileged": 1}})", ".HostConfig.Privileged",
                "is 1, should be true or false"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Memory": "64m"}})", ".HostConfig.Memory",
                "is \"64m\", should be a whole number from 1 to 1125899906842624"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Memory": 18446744073709551615}})",
                ".HostConfig.Memory", "is 18446744073709551615, should be a whole number from 1"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"Memory": 1.5}})", ".HostConfig.Memory",
                "is 1.5, should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"NanoCpus": 0}})", ".HostConfig.NanoCpus",
                "is 0, should be"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"CapAdd": ["NET ADMIN"]}})",
                ".HostConfig.CapAdd", "holds \"NET ADMIN\", should be names as NET_ADMIN"},
        BadCase{"sensor", "createOptions", R"({"HostConfig": {"CapDrop": [")" + Long() + R"("]}})",
                ".HostConfig.CapDrop", "holds \"XXX"},
        BadCase{"edgehub", "desiredProperties", Long(), "",
                "is \"" + Long(200) + "[...]\", should be a JSON"},
        BadCase{"edgehub", "desiredProperties", "{\"routes\": {}", "",
                "is \"{\"routes\": {}\", should be a JSON object: "},
        BadCase{"edgehub", "desiredProperties", R"({"schemaVersion": 1.0})", ".schemaVersion",
                "is 1.0, should be a text"},
        BadCase{"edgehub", "desiredProperties", R"({"routes": {"a": {"route": 5}}})", ".routes.a",
                "is {\"route\":5}, should be a text, or an object with the text route"},
        BadCase{"edgehub", "desiredProperties", R"({"routes": {")" + Long() + R"(": []}})",
                ".routes." + Long(200) + "[...]", "is [], should be a text"},
        BadCase{"edgeagent", "desiredProperties", Long(), "",
                "is \"" + Long(200) + "[...]\", should be a JSON"},
        BadCase{"edgeagent", "desiredProperties", "[]", "", "is \"[]\", should be a JSON object"},
        BadCase{"edgeagent", "desiredProperties", R"({"schemaVersion": {}})", ".schemaVersion",
                "is {}, should be"},
        BadCase{"edgeagent", "desiredProperties", R"({"runtime": {"settings": []}})", ".runtime.settings",
                "is [], should be an object"},
        BadCase{"edgeagent", "desiredProperties", R"({"registryCredentials": "x"})", ".registryCredentials",
                "is \"x\", should be an object"},
        BadCase{"edgeagent", "desiredProperties", R"({"registryCredentials": {"r": "secret"}})",
                ".registryCredentials.r", "should be an object with address, username and password"},
        BadCase{"edgeagent", "desiredProperties",
                R"({"registryCredentials": {"r": {"username": "u", "password": 5, "address": "a"}}})",
                ".registryCredentials.r.password", "should be a text and not empty"},
        BadCase{"edgeagent", "desiredProperties",
                R"({"registryCredentials": {"r": {"username": "u", "password": "p", "address": ")" + Long() +
                    R"("}}})",
                ".registryCredentials.r.address",
                "is \"" + Long(200) + "[...]\", should be HOST or HOST:PORT"},
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
