#include "provider/controllers/server_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/kept_database.h"

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const ControllerSettings kSettings{
    .hub_id = "plant-7", .ns = "slicelet", .taint_key = "slicelet.io/slice-node"};

Json Server(const Json& more = Json::object()) {
  Json server = {
      {"metadata", {{"name", "iot"}, {"namespace", "north"}, {"uid", "0123456789-abcd"}}},
      {"spec",
       {{"slice", "north"}, {"profile", "mainflux-classic"}, {"dataPath", "/var/lib/slicelet-servers"}}}};
  server["spec"].merge_patch(more);
  return server;
}

Json Pod(const Json& more = Json::object()) { return ServerPod(Server(more), "gw-1", kSettings); }

Json ContainerOf(const Json& pod, const std::string& name) {
  for (const Json& container : pod["spec"]["containers"]) {
    if (container["name"] == name) return container;
  }
  return Json();
}

std::vector<std::string> Names(const Json& containers) {
  std::vector<std::string> names;
  for (const Json& container : containers) names.push_back(container["name"]);
  return names;
}

/// "VALUE", or "SECRET/KEY".
std::string Environment(const Json& pod, const std::string& container, const std::string& name) {
  const Json found = ContainerOf(pod, container);
  for (const Json& one : found["env"]) {
    if (one["name"] != name) continue;
    if (one.contains("value")) return one["value"];
    const Json& ref = one["valueFrom"]["secretKeyRef"];
    return ref["name"].get<std::string>() + "/" + ref["key"].get<std::string>();
  }
  return "";
}

TEST(ServerProfile, IsAMainfluxWithAllItNeeds) {
  const Json pod = Pod();
  EXPECT_THAT(Names(pod["spec"]["initContainers"]), ElementsAre("own-data", "begin-database"));
  EXPECT_THAT(Names(pod["spec"]["containers"]),
              ElementsAre("postgres", "redis", "nats", "mosquitto", "auth", "users", "things", "mqtt"));
  EXPECT_EQ(
      pod["metadata"]["annotations"]["slicelet.io/depends-on"],
      "auth=postgres; users=postgres,auth; things=postgres,redis,auth; mqtt=redis,nats,mosquitto,things");
  EXPECT_EQ(pod["metadata"]["labels"],
            Json::parse(R"({"slicelet.io/role":"server","slicelet.io/hub":"plant-7",
                                           "slicelet.io/slice":"north","slicelet.io/server":"iot"})"));
  EXPECT_EQ(pod["spec"]["nodeName"], "gw-1");
  EXPECT_EQ(ContainerOf(pod, "things")["image"], "mainflux/things:0.12.0");
  for (const Json& container : pod["spec"]["containers"]) {
    EXPECT_TRUE(container.contains("startupProbe") && container.contains("livenessProbe"))
        << container["name"];
    EXPECT_TRUE(container["resources"]["limits"].contains("memory")) << container["name"];
    EXPECT_EQ(container["securityContext"]["allowPrivilegeEscalation"], false) << container["name"];
  }
}

TEST(ServerProfile, PasswordsComeFromItsSecretAlone) {
  const Json pod = Pod();
  EXPECT_EQ(Environment(pod, "auth", "MF_AUTH_SECRET"), "iot-server/signing");
  EXPECT_EQ(Environment(pod, "users", "MF_USERS_ADMIN_PASSWORD"), "iot-server/admin");
  EXPECT_EQ(Environment(pod, "nats", "MESSAGES_PASSWORD"), "iot-server/messages");
  EXPECT_EQ(Environment(pod, "mqtt", "MF_NATS_URL"), "nats://mainflux:$(MESSAGES_PASSWORD)@127.0.0.1:4222");
  for (const char* service : {"auth", "users", "things"}) {
    std::string prefix = "MF_" + std::string(service) + "_";
    for (char& c : prefix) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(Environment(pod, service, prefix + "DB_PASS"), "iot-server/database") << service;
  }
}

TEST(ServerProfile, NoTwoServicesShareAPort) {
  std::set<std::string> ports;
  int count = 0;
  const Json pod = Pod();
  const auto add = [&](const std::string& port) {
    ports.insert(port);
    ++count;
  };
  for (const Json& container : pod["spec"]["containers"]) {
    for (const Json& port : container.value("ports", Json::array())) add(port["containerPort"].dump());
    const Json& probe = container["startupProbe"];
    // A probed port that others may use is among the container's.
    if (!container.contains("ports")) add(probe["tcpSocket"]["port"].dump());
    for (const Json& one : container.value("env", Json::array())) {
      const std::string name = one["name"];
      if (name.find("GRPC_PORT") != std::string::npos) add(one["value"]);
    }
  }
  EXPECT_EQ(static_cast<std::size_t>(count), ports.size());
}

TEST(ServerProfile, TheHostsPortsAreTheUsersChoice) {
  const Json ports = {
      {"users", 18180}, {"things", 18182}, {"auth", 18189}, {"access", 18989}, {"mqtt", 11883}};
  const Json pod = Pod({{"ports", ports}});
  EXPECT_EQ(ContainerOf(pod, "things")["ports"], Json::parse(R"([
      {"name":"things","containerPort":8182,"hostPort":18182,"protocol":"TCP"},
      {"name":"access","containerPort":8989,"hostPort":18989,"protocol":"TCP"}])"));
  EXPECT_EQ(ClassicEndpoints(Server({{"ports", ports}}), "192.0.2.1"),
            Json::parse(R"({"users":"http://192.0.2.1:18180","things":"http://192.0.2.1:18182",
                "auth":"http://192.0.2.1:18189","access":"http://192.0.2.1:18989","mqtt":"tcp://192.0.2.1:11883"})"));
  EXPECT_EQ(ClassicEndpoints(Server(), "iot.example.com"),
            Json::parse(R"({"users":"http://iot.example.com:8180","things":"http://iot.example.com:8182",
                "auth":"http://iot.example.com:8189","access":"http://iot.example.com:8989",
                "mqtt":"tcp://iot.example.com:1883"})"));
}

TEST(ServerProfile, TheDataLiesInADirectoryThatNoOtherServerHas) {
  EXPECT_EQ(DataPathOf(Server()), "/var/lib/slicelet-servers/north.iot.01234567");
  EXPECT_EQ(
      Pod()["spec"]["volumes"][0]["hostPath"],
      Json::parse(R"({"path":"/var/lib/slicelet-servers/north.iot.01234567","type":"DirectoryOrCreate"})"));
  Json next = Server();
  next["metadata"]["uid"] = "9999999999-abcd";
  EXPECT_NE(DataPathOf(next), DataPathOf(Server()));
}

TEST(ServerProfile, ImagesAreReplacedByContainer) {
  const Json pod = Pod({{"images", {{"postgres", "mine:1"}, {"things", "things:2"}}},
                        {"imagePullSecrets", Json::array({"pull"})}});
  EXPECT_EQ(ContainerOf(pod, "postgres")["image"], "mine:1");
  EXPECT_EQ(ContainerOf(pod, "things")["image"], "things:2");
  for (const Json& container : pod["spec"]["initContainers"]) EXPECT_EQ(container["image"], "mine:1");
  EXPECT_EQ(pod["spec"]["imagePullSecrets"], Json::parse(R"([{"name":"pull"}])"));
  // The database's image is what begins it, too; any other changes in place.
  EXPECT_EQ(RevisionOf(Pod()), RevisionOf(Pod({{"images", {{"things", "things:2"}}}})));
  EXPECT_NE(RevisionOf(Pod()), RevisionOf(Pod({{"ports", {{"mqtt", 2883}}}})));
}

TEST(ServerProfile, KubernetesExpandsNothingInItsScripts) {
  // A shell's $(command) would be taken for a variable of the container.
  const Json pod = Pod();
  for (const char* list : {"initContainers", "containers"}) {
    for (const Json& container : pod["spec"][list]) {
      EXPECT_THAT(container.value("command", Json::array()).dump(), Not(HasSubstr("$(")))
          << container["name"];
    }
  }
}

TEST(ServerProfile, CredentialsAreTheGivenOnes) {
  EXPECT_EQ(CredentialsOf(Server()), "iot-credentials");
  EXPECT_FALSE(HasOwnCredentials(Server()));
  const Json given = Server({{"credentialsSecret", "login"}});
  EXPECT_EQ(CredentialsOf(given), "login");
  EXPECT_TRUE(HasOwnCredentials(given));
}

}  // namespace
}  // namespace slicelet::provider
