#include "provider/controllers/gateway_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "provider/controllers/exporter.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/revisions.h"

namespace slicelet::provider {
namespace {

const ControllerSettings kSettings{
    .hub_id = "plant-7", .ns = "slicelet", .taint_key = "slicelet.io/slice-node"};

Json Gateway(const Json& more) {
  Json gateway = {{"metadata", {{"name", "press"}, {"namespace", "north"}}},
                  {"spec",
                   {{"slice", "north"},
                    {"profile", "edgex-4.0-minimal"},
                    {"deviceService", "virtual"},
                    {"target", {{"host", "gw-1"}}}}}};
  gateway["spec"].merge_patch(more);
  return gateway;
}

Json Container(const Json& pod, const std::string& name) {
  for (const Json& container : pod["spec"]["containers"]) {
    if (container["name"] == name) return container;
  }
  return Json();
}

std::vector<std::string> Names(const Json& pod) {
  std::vector<std::string> names;
  for (const Json& container : pod["spec"]["containers"]) names.push_back(container["name"]);
  return names;
}

TEST(GatewayProfile, MinimalIsTheSetThatReadingsNeed) {
  const Json pod = GatewayPod(Gateway(Json::object()), kSettings);
  EXPECT_THAT(Names(pod), testing::ElementsAre("postgres", "mosquitto", "core-metadata", "core-data",
                                               "core-command", "device-virtual"));
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/depends-on"],
            "core-metadata=postgres,mosquitto; core-data=core-metadata; core-command=core-metadata; "
            "device-virtual=core-data");
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/iot-devices"], "slicelet-devices");
  EXPECT_EQ(pod["metadata"]["labels"]["slicelet.io/role"], "gateway");
  EXPECT_EQ(pod["spec"]["nodeName"], "gw-1");
  EXPECT_EQ(pod["spec"]["tolerations"],
            Json::parse(R"([{"key":"slicelet.io/slice-node","operator":"Exists"}])"));
  EXPECT_EQ(Container(pod, "core-metadata")["image"], "edgexfoundry/core-metadata:4.0.1");
  EXPECT_EQ(Container(pod, "core-metadata")["startupProbe"]["httpGet"]["port"], 59881);
}

TEST(GatewayProfile, NoOutgoingConnectionTakesTheirPorts) {
  const Json pod = GatewayPod(Gateway({{"profile", "edgex-4.0-full"}}), kSettings);
  const Json reserved = pod["spec"]["securityContext"]["sysctls"];
  EXPECT_EQ(reserved,
            Json::parse(R"([{"name": "net.ipv4.ip_local_reserved_ports", "value": "59700-59999"}])"));
  for (const Json& container : pod["spec"]["containers"]) {
    for (const Json& port : container.value("ports", Json::array())) {
      const int number = port["containerPort"];
      // Linux gives 32768 to 60999.
      EXPECT_TRUE(number < 32'768 || (number >= 59'700 && number <= 59'999)) << container["name"] << number;
    }
  }
}

TEST(GatewayProfile, ServicesListenWhereProbesReachThem) {
  EXPECT_THAT(CommonSettings()["common.yaml"].get<std::string>(),
              testing::HasSubstr("  Service:\n    ServerBindAddr: 0.0.0.0\n"));
}

TEST(GatewayProfile, FullAddsServicesAndNoTwoShareAPort) {
  const Json pod = GatewayPod(Gateway({{"profile", "edgex-4.0-full"}}), kSettings);
  EXPECT_THAT(Names(pod), testing::IsSupersetOf(
                              {"support-notifications", "support-scheduler", "app-rules-engine", "ekuiper"}));
  // What app-rules-engine publishes is read.
  EXPECT_THAT(
      Container(pod, "ekuiper")["env"],
      testing::Contains(Json::parse(R"({"name":"EDGEX__DEFAULT__TOPIC","value":"edgex/rules-events"})")));
  EXPECT_THAT(pod["metadata"]["annotations"]["slicelet.io/depends-on"].get<std::string>(),
              testing::HasSubstr("; ekuiper=mosquitto"));
  std::set<int> ports;
  int count = 0;
  for (const Json& container : pod["spec"]["containers"]) {
    if (!container.contains("ports")) continue;
    ports.insert(container["ports"][0]["containerPort"].get<int>());
    ++count;
  }
  EXPECT_EQ(ports.size(), static_cast<std::size_t>(count));
}

std::vector<std::string> Of(const Json& list, const char* member) {
  std::vector<std::string> found;
  for (const Json& one : list) found.push_back(one[member]);
  return found;
}

TEST(GatewayProfile, WhatIsKeptLiesBelowDataPathWhateverThePodIs) {
  Json gateway = Gateway({{"dataPath", "/srv/gateways"}, {"images", {{"postgres", "registry/postgres:1"}}}});
  gateway["metadata"]["uid"] = "01234567-89ab";
  const Json pod = GatewayPod(gateway, kSettings, true);
  const std::string below = "/srv/gateways/north.press.01234567";
  EXPECT_EQ(DataPathOf(gateway), below);
  std::map<std::string, Json> volumes;
  for (const Json& volume : pod["spec"]["volumes"]) volumes[volume["name"]] = volume;
  EXPECT_EQ(volumes["database"]["hostPath"]["path"], below + "/database");
  EXPECT_EQ(volumes["export-store"]["hostPath"]["path"], below + "/export");
  EXPECT_EQ(volumes.count("run"), 0U);
  const Json& before = pod["spec"]["initContainers"];
  EXPECT_THAT(Of(before, "name"), testing::ElementsAre("own-data", "begin-database", "own-export-store"));
  EXPECT_THAT(Of(before, "image"), testing::Each(std::string("registry/postgres:1")));
  EXPECT_EQ(before[1]["env"][0]["valueFrom"]["secretKeyRef"]["name"], "press-database");
  const std::string script = before[1]["command"][2];
  EXPECT_NE(script.find("'CREATE DATABASE edgex_db;'"), std::string::npos);
  EXPECT_EQ(Names(pod).front(), "postgres");
  EXPECT_EQ(Container(pod, "postgres")["image"], "registry/postgres:1");

  Json full = gateway;
  full["spec"]["profile"] = "edgex-4.0-full";
  EXPECT_EQ(GatewayPod(full, kSettings)["spec"]["volumes"][0], pod["spec"]["volumes"][0]);
  Json next = gateway;
  next["metadata"]["uid"] = "89abcdef-0123";
  EXPECT_NE(DataPathOf(next), DataPathOf(gateway)) << "the next one of that name begins anew";
}

TEST(GatewayProfile, WithoutDataPathTheDatabaseGoesWithThePod) {
  const Json pod = GatewayPod(Gateway(Json::object()), kSettings, true);
  EXPECT_FALSE(pod["spec"].contains("initContainers"));
  for (const Json& volume : pod["spec"]["volumes"]) EXPECT_FALSE(volume.contains("hostPath")) << volume;
}

TEST(GatewayProfile, DevicesOfMqttGetABrokerOfTheirOwnAtTheHostsPort) {
  const Json pod = GatewayPod(Gateway({{"deviceService", "mqtt"}, {"devicePort", 11883}}), kSettings);
  const Json broker = Container(pod, "device-broker");
  EXPECT_EQ(broker["ports"],
            Json::parse(R"([{"name":"mqtt","containerPort":1884,"hostPort":11883,"protocol":"TCP"}])"));
  EXPECT_EQ(broker["command"][2], "/etc/edgex/device-broker.conf");
  EXPECT_EQ(CommonSettings()["device-broker.conf"], "listener 1884\nallow_anonymous true\n");
  EXPECT_FALSE(Container(pod, "mosquitto").contains("ports")) << "the bus is the pod's own";
  EXPECT_THAT(Container(pod, "device-mqtt")["env"],
              testing::Contains(Json::parse(R"({"name":"MQTTBROKERINFO_PORT","value":"1884"})")));
  EXPECT_THAT(pod["metadata"]["annotations"]["slicelet.io/depends-on"].get<std::string>(),
              testing::EndsWith("device-mqtt=core-data,device-broker"));
  const Json handed_over = Gateway({{"update", {{"strategy", "hand-over"}}}});
  EXPECT_THAT(HandOverProblem(handed_over, pod)->message,
              testing::HasSubstr("hostPort 11883 of container device-broker"));
  const Json inside = GatewayPod(Gateway({{"deviceService", "mqtt"}}), kSettings);
  EXPECT_THAT(Names(inside), testing::Not(testing::Contains("device-broker")));
  EXPECT_EQ(inside.dump().find("hostPort"), std::string::npos);
}

TEST(GatewayProfile, DevicesOfRestReachTheirServiceAtTheHostsPort) {
  const Json pod = GatewayPod(Gateway({{"deviceService", "rest"}, {"devicePort", 8080}}), kSettings);
  EXPECT_EQ(Container(pod, "device-rest")["ports"],
            Json::parse(R"([{"name":"http-59986","containerPort":59986,"hostPort":8080}])"));
  EXPECT_THAT(Names(pod), testing::Not(testing::Contains("device-broker")));
}

TEST(GatewayProfile, ModbusGetsTheHostsSerialLine) {
  const Json pod =
      GatewayPod(Gateway({{"deviceService", "modbus"}, {"serialDevice", "/dev/ttyUSB0"}}), kSettings);
  const Json container = Container(pod, "device-modbus");
  EXPECT_EQ(container["volumeMounts"][1], Json::parse(R"({"name":"serial","mountPath":"/dev/ttyUSB0"})"));
  EXPECT_EQ(container["securityContext"]["privileged"], true);
  EXPECT_EQ(container["securityContext"]["runAsUser"], 0) << "the line is root's and a group's of the host";
  EXPECT_FALSE(Container(pod, "core-data")["securityContext"].contains("privileged"));
  const Json over_tcp = GatewayPod(Gateway({{"deviceService", "modbus"}}), kSettings);
  EXPECT_FALSE(Container(over_tcp, "device-modbus")["securityContext"].contains("privileged"));
}

TEST(GatewayProfile, AnExporterIsToldByASecretAndChangesByItsImage) {
  const Json gateway = Gateway({{"attachTo", "iot"}});
  const Json pod = GatewayPod(gateway, kSettings, true);
  const Json exporter = Container(pod, "senml-export");
  EXPECT_EQ(exporter["image"], "docker.io/slicelet/senml-export:" SLICELET_VERSION "-idle");
  EXPECT_EQ(exporter["env"][0], Json::parse(R"({"name":"SENML_SETTINGS","value":"/etc/senml-export"})"));
  EXPECT_EQ(
      pod["spec"]["volumes"][4],
      Json::parse(R"({"name":"export-settings","secret":{"secretName":"press-export","optional":true}})"));
  EXPECT_EQ(Container(pod, "device-virtual")["env"].back(),
            Json::parse(R"({"name":"MESSAGEBUS_OPTIONAL_QOS","value":"1"})"));
  EXPECT_THAT(pod["metadata"]["annotations"]["slicelet.io/depends-on"].get<std::string>(),
              testing::EndsWith("; senml-export=mosquitto"));
  EXPECT_THAT(Names(GatewayPod(gateway, kSettings)), testing::Not(testing::Contains("senml-export")));
}

TEST(GatewayProfile, AnExportersImagesAreReplacedLikeOthers) {
  EXPECT_EQ(ExporterImage(Gateway(Json::object()), true),
            "docker.io/slicelet/senml-export:" SLICELET_VERSION);
  const Json one = Gateway({{"images", {{"senml-export", "own/export:2"}}}});
  EXPECT_EQ(ExporterImage(one, true), "own/export:2");
  EXPECT_EQ(ExporterImage(one, false), "own/export:2-idle");
  const Json both =
      Gateway({{"images", {{"senml-export", "own/export@sha256:1"}, {"senml-export-idle", "own/idle:2"}}}});
  EXPECT_EQ(ExporterImage(both, false), "own/idle:2");
}

TEST(GatewayProfile, AFleetNodesHostsAreChosenByAnnotations) {
  const Json target = {{"host", nullptr},
                       {"node", "fleet"},
                       {"targetCondition", "tags.site = 'north'"},
                       {"placement", "best-fit"},
                       {"hosts", 2}};
  const Json gateway = Gateway({{"target", target}});
  const Json pod = GatewayPod(gateway, kSettings);
  EXPECT_EQ(pod["spec"]["nodeName"], "fleet");
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/target-condition"], "tags.site = 'north'");
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/placement"], "best-fit");
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/hosts"], "2");
  EXPECT_EQ(TargetText(gateway["spec"]), "fleet: tags.site = 'north'");
}

TEST(GatewayProfile, ATemplateKeepsWhatItSays) {
  const Json own =
      Json::parse(R"({"metadata":{"labels":{"app":"mine"},"annotations":{"slicelet.io/iot-devices":"own"}},
    "spec":{"containers":[{"name":"core-metadata","image":"a:1"}],"volumes":[{"name":"own","configMap":{"name":"x"}}],
            "tolerations":[{"key":"other"}]}})");
  const Json pod = GatewayPod(Gateway({{"profile", "custom"},
                                       {"template", own},
                                       {"images", {{"core-metadata", "b:2"}}},
                                       {"imagePullSecrets", Json::array({"pull"})}}),
                              kSettings);
  EXPECT_EQ(pod["metadata"]["labels"]["app"], "mine");
  EXPECT_EQ(pod["metadata"]["annotations"]["slicelet.io/iot-devices"], "own");
  EXPECT_EQ(pod["spec"]["volumes"].size(), 1U);
  EXPECT_EQ(pod["spec"]["tolerations"].size(), 2U);
  EXPECT_EQ(pod["spec"]["containers"][0]["image"], "b:2");
  EXPECT_EQ(pod["spec"]["imagePullSecrets"], Json::parse(R"([{"name":"pull"}])"));
}

TEST(GatewayProfile, RevisionsTellEverythingApartButImages) {
  const auto revision = [](const Json& more) { return RevisionOf(GatewayPod(Gateway(more), kSettings)); };
  EXPECT_EQ(revision(Json::object()), revision({{"images", {{"core-data", "other:1"}}}}));
  EXPECT_NE(revision(Json::object()), revision({{"deviceService", "rest"}}));
  EXPECT_NE(revision(Json::object()), revision({{"target", {{"host", "gw-2"}}}}));
}

}  // namespace
}  // namespace slicelet::provider
