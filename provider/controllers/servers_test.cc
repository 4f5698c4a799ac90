#include "provider/controllers/servers.h"

#include "common/base/encoding.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/server_profile.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kAllSteps[] =
    "Checks=Done Keys=Done Credentials=Done Pod=Done Services=Done Address=Done User=Done";

class ServersTest : public ControllersTest {
 protected:
  [[nodiscard]] Json Server(const std::string& name = "iot") { return Get(kube::kIotServers, "north", name); }
  [[nodiscard]] std::string Ready(const std::string& name = "iot") { return Condition(Server(name)); }
  [[nodiscard]] std::string SecretText(const std::string& name, const char* key) {
    return Base64Decode(kube::TextAt(Get(kube::kSecrets, "north", name), {"data", key})).value_or("?");
  }
  void MakeLogin(const std::string& password = "12345678") {
    CreateWith(kube::kSecrets, "north", "login",
               {{"stringData", {{"email", "me@example.com"}, {"password", password}}}});
  }
};

TEST_F(ServersTest, AServerIsAPodWithSecretsAndAUser) {
  MakeSlice();
  Advance();
  MakeServer();
  Advance();
  const Json server = Server();
  EXPECT_EQ(server["status"]["phase"], "Ready");
  EXPECT_EQ(Steps(server), kAllSteps);
  EXPECT_EQ(Ready(), "True Ready: all services are ready");
  EXPECT_EQ(server["status"]["ready"], "8/8");
  EXPECT_EQ(server["status"]["target"], "gw-1");
  EXPECT_EQ(server["status"]["address"], "192.0.2.1");
  EXPECT_EQ(server["status"]["endpoints"], ClassicEndpoints(server, "192.0.2.1"));
  EXPECT_EQ(server["status"]["mqtt"], "tcp://192.0.2.1:1883");
  EXPECT_EQ(server["status"]["data"], DataPathOf(server));
  EXPECT_EQ(server["status"]["credentialsSecret"], "iot-credentials");
  EXPECT_EQ(server["status"]["user"], "gateways@iot.north.invalid");
  EXPECT_EQ(mainflux_.users, (std::map<std::string, std::string>{
                                 {"gateways@iot.north.invalid", SecretText("iot-credentials", "password")}}));
  std::set<std::string> passwords;
  for (const char* key : {"database", "messages", "signing", "admin"}) {
    passwords.insert(SecretText("iot-server", key));
  }
  EXPECT_THAT(passwords, SizeIs(4));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_THAT(kube::NameOf(Pods("north").front()), StartsWith("iot-"));
  // Nothing more is asked or written once it is so.
  const auto version = server_.cluster().version();
  Advance(minutes(30));
  EXPECT_EQ(server_.cluster().version(), version);
  EXPECT_EQ(mainflux_.made, 1);
}

TEST_F(ServersTest, AGivenUserIsTheServersOwnBusinessUnlessItIsToBeMade) {
  MakeSlice();
  Advance();
  MakeLogin();
  MakeServer({{"credentialsSecret", "login"}});
  Advance();
  EXPECT_EQ(Steps(Server()), "Checks=Done Keys=Done Credentials=Done Pod=Done Services=Done Address=Done");
  EXPECT_THAT(mainflux_.users, IsEmpty());
  EXPECT_EQ(Get(kube::kSecrets, "north", "iot-credentials"), Json());
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"createUser", true}}}});
  Advance();
  EXPECT_EQ(Steps(Server()), kAllSteps);
  EXPECT_EQ(mainflux_.users, (std::map<std::string, std::string>{{"me@example.com", "12345678"}}));
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_EQ(Server(), Json());
  EXPECT_NE(Get(kube::kSecrets, "north", "login"), Json()) << "what was given stays";
}

TEST_F(ServersTest, TheUserOfAnExternalServerIsMadeWhenItIsAskedFor) {
  MakeSlice();
  Advance();
  MakeLogin();
  const Json external = {{"profile", "external"}, {"url", "http://iot.example.com"}, {"target", nullptr},
                         {"dataPath", nullptr},   {"credentialsSecret", "login"},    {"createUser", true}};
  MakeServer(external);
  Json magistrala = external;
  magistrala["dialect"] = "magistrala";
  magistrala["domain"] = "d";
  MakeServer(magistrala, "domains");
  Advance();
  EXPECT_EQ(Steps(Server()), "Checks=Done Adopted=Done User=Done");
  EXPECT_EQ(mainflux_.made, 1);
  EXPECT_EQ(Server()["status"]["user"], "me@example.com");
  EXPECT_THAT(Ready("domains"), HasSubstr("/users/tokens/issue refuses the login"));
}

TEST_F(ServersTest, WhereItCanNotRunIsSaid) {
  CreateWith(kube::kNodes, "", "fleet", {{"metadata", {{"labels", {{kHubLabel, "plant-7"}}}}}});
  MakeSlice("south", {{"edge", {{"nodes", {"gw-2"}}}}});
  MakeSlice();
  Advance();
  MakeServer({{"target", nullptr}}, "a");
  MakeServer({{"target", {{"host", "gw-9"}}}}, "b");
  MakeServer({{"target", {{"host", "gw-2"}}}}, "c");
  MakeServer({{"target", {{"host", nullptr}, {"node", "fleet"}}}}, "d");
  MakeServer({{"target", {{"host", nullptr}, {"node", "nothing"}}}}, "e");
  MakeServer({{"slice", "south"}}, "f");
  Advance();
  EXPECT_EQ(Ready("a"),
            "False NoTarget: spec.target: give the host that it runs on, because IotSlice north names no "
            "spec.cloud.node");
  EXPECT_THAT(Ready("b"), HasSubstr("False HostNotFound: spec.target.host: there is no EdgeHost gw-9"));
  EXPECT_THAT(Ready("c"),
              HasSubstr("False NodeNotInSlice: spec.target.host: node gw-2 belongs to slice south"));
  EXPECT_THAT(Ready("d"), HasSubstr("False NotOneHost: spec.target.node: fleet stands for many hosts"));
  EXPECT_THAT(Ready("e"), HasSubstr("False NodeNotFound: "));
  EXPECT_THAT(Ready("f"), HasSubstr("False WrongNamespace: "));
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty());
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) Delete(kube::kIotServers, "north", name);
  Advance();
  EXPECT_THAT(server_.cluster().All(kube::kIotServers), IsEmpty());
}

TEST_F(ServersTest, ItRunsOnTheCloudNodeOfItsSliceAndStaysThere) {
  MakeSlice("north", {{"cloud", {{"node", "gw-2"}}}});
  Advance();
  MakeServer({{"target", nullptr}});
  Advance();
  EXPECT_EQ(Server()["status"]["target"], "gw-2");
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  const std::string pod = kube::UidOf(Pods("north").front());
  Patch(kube::kIotSlices, "slicelet", "north", {{"spec", {{"cloud", {{"node", "gw-1"}}}}}});
  Advance();
  EXPECT_THAT(Ready(),
              HasSubstr("False TargetChanged: spec.target: the server's data lies on gw-2, not on gw-1"));
  EXPECT_EQ(kube::UidOf(Pods("north").front()), pod);
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"target", {{"host", "gw-2"}}}}}});
  Advance();
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  EXPECT_EQ(kube::UidOf(Pods("north").front()), pod);
}

TEST_F(ServersTest, SuspendedItKeepsWhatItHas) {
  MakeSlice();
  Advance();
  MakeServer();
  Advance();
  const Json pod = Pods("north").front();
  const Json keys = Get(kube::kSecrets, "north", "iot-server");
  const Json endpoints = Server()["status"]["endpoints"];
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", true}}}});
  Advance();
  EXPECT_EQ(Server()["status"]["phase"], "Suspended");
  EXPECT_EQ(Ready(), "False Suspended: spec.suspended is true");
  EXPECT_EQ(Server()["status"]["endpoints"], endpoints) << "gateways wait for it there";
  EXPECT_THAT(Pods("north"), IsEmpty());
  Crash();
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", false}}}});
  Advance();
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(Pods("north").front()["spec"]["volumes"], pod["spec"]["volumes"]);
  EXPECT_EQ(Get(kube::kSecrets, "north", "iot-server"), keys);
  EXPECT_EQ(mainflux_.made, 1);
}

TEST_F(ServersTest, AServerThatComesUpIsNoServerThatRefuses) {
  MakeSlice();
  Advance();
  mainflux_.away = true;
  MakeServer();
  Advance();
  EXPECT_THAT(Ready(), HasSubstr("False Progressing: no answer from http://192.0.2.1:8180/users"));
  EXPECT_EQ(Server()["status"]["phase"], "Progressing");
  mainflux_.away = false;
  mainflux_.auth_down = true;
  Advance(minutes(10));
  EXPECT_THAT(Ready(), HasSubstr("says nothing about the credentials"));
  mainflux_.auth_down = false;
  Advance(minutes(2));
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  // Neither is one that is down later: that is for its probes to tell.
  mainflux_.auth_down = true;
  Crash();
  Advance(minutes(10));
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
}

TEST_F(ServersTest, WrongCredentialsAreToldAndTriedAgainWhenTheyAreCorrected) {
  MakeSlice();
  Advance();
  mainflux_.users["me@example.com"] = "another";
  MakeLogin();
  MakeServer({{"credentialsSecret", "login"}, {"createUser", true}});
  MakeServer({{"credentialsSecret", "none"}, {"createUser", true}, {"ports", {{"mqtt", 2883}}}}, "second");
  Advance(minutes(2));
  EXPECT_THAT(Ready(), HasSubstr("False CredentialsRejected: "));
  EXPECT_EQ(Server()["status"]["phase"], "Error");
  EXPECT_THAT(Ready("second"), HasSubstr("False Progressing: Secret none: "));
  Patch(kube::kSecrets, "north", "login", {{"data", {{"email", nullptr}}}});
  Advance(minutes(2));
  EXPECT_THAT(Ready(), HasSubstr(R"(Secret login needs the keys "email" and "password")"));
  Patch(kube::kSecrets, "north", "login",
        {{"stringData", {{"email", "me@example.com"}, {"password", "another"}}}});
  Advance(minutes(2));
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
}

TEST_F(ServersTest, AServerThatLostItsDataGetsItsUserAgain) {
  MakeSlice();
  Advance();
  MakeServer();
  Advance();
  mainflux_.users.clear();
  Delete(kube::kPods, "north", kube::NameOf(Pods("north").front()));
  Advance();
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  EXPECT_THAT(mainflux_.users, SizeIs(1));
}

TEST_F(ServersTest, OneThatGatewaysUseStaysUntilTheyAreGone) {
  MakeSlice();
  Advance();
  MakeServer();
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_THAT(Ready(), HasSubstr("False InUse: "));
  EXPECT_THAT(Pods("north"), SizeIs(2)) << "it runs on";
  EXPECT_NE(Get(kube::kSecrets, "north", "iot-server"), Json());
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(2));
  EXPECT_EQ(Server(), Json());
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty());
}

TEST_F(ServersTest, OneWhoseHostIsGoneCanBeGivenUp) {
  MakeSlice();
  Advance();
  MakeServer();
  Advance();
  hosts_away_ = true;
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_EQ(Steps(Server()), "Keys=Done Credentials=Done Pod=Running");
  Patch(kube::kIotServers, "north", "iot", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  EXPECT_EQ(Server(), Json());
}

/// A server's life, with a crash of the controllers after some write.
class ServerCrashTest : public ServersTest {
 protected:
  /// Returns how many writes the controllers have made.
  int LiveThroughACrash(int at, bool lost) {
    CrashAfter(at, lost);
    mainflux_.users.clear();
    MakeServer();
    Live(minutes(1));
    EXPECT_EQ(Server()["status"]["phase"], "Ready");
    EXPECT_EQ(Steps(Server()), kAllSteps);
    EXPECT_THAT(Pods("north"), SizeIs(1));
    EXPECT_EQ(mainflux_.users["gateways@iot.north.invalid"], SecretText("iot-credentials", "password"));
    const std::string password = SecretText("iot-server", "database");
    Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", true}}}});
    Live(minutes(1));
    EXPECT_THAT(Pods("north"), IsEmpty());
    Patch(kube::kIotServers, "north", "iot", {{"spec", {{"suspended", false}}}});
    Live(minutes(1));
    EXPECT_EQ(Server()["status"]["phase"], "Ready");
    EXPECT_EQ(SecretText("iot-server", "database"), password);
    Delete(kube::kIotServers, "north", "iot");
    Live(minutes(1));
    EXPECT_EQ(Server(), Json());
    EXPECT_THAT(Pods("north"), IsEmpty());
    EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty());
    server_.faults().after = nullptr;
    return writes_;
  }
};

TEST_F(ServerCrashTest, AfterEveryWriteItIsMadeAndUndoneAllTheSame) {
  MakeSlice();
  Advance();
  const int writes = LiveThroughACrash(0, false);
  EXPECT_GT(writes, 15);
  CrashAfterEachWrite(writes + 3, [this](int at, bool lost) { LiveThroughACrash(at, lost); });
}

TEST_F(ServersTest, AServerThatOthersRunIsAdopted) {
  MakeSlice();
  Advance();
  MakeLogin();
  Create(kube::kIotServers, "north", "iot",
         {{"slice", "north"},
          {"profile", "external"},
          {"url", "https://iot.example.com:8443/api/"},
          {"credentialsSecret", "login"}});
  MakeServer(Json::object(), "own");
  Create(kube::kIotServers, "north", "lost",
         {{"slice", "south"},
          {"profile", "external"},
          {"url", "http://a"},
          {"endpoints", {{"mqtt", "ssl://b"}, {"auth", "http://a:8189/"}, {"access", "http://a:8989"}}}});
  Advance();
  const Json server = Get(kube::kIotServers, "north", "iot");
  EXPECT_EQ(Condition(server), "True Adopted: run by others at https://iot.example.com:8443/api/");
  EXPECT_EQ(server["status"]["mqtt"], "tcp://iot.example.com:1883");
  EXPECT_EQ(server["status"]["credentialsSecret"], "login");
  EXPECT_EQ(
      server["status"]["endpoints"],
      Json::parse(
          R"({"users":"https://iot.example.com:8443/api","things":"https://iot.example.com:8443/api","auth":"","access":"",
                            "mqtt":"tcp://iot.example.com:1883"})"));
  const Json lost = Get(kube::kIotServers, "north", "lost");
  EXPECT_THAT(Condition(lost), HasSubstr("False WrongNamespace: "));
  EXPECT_EQ(lost["status"]["mqtt"], "ssl://b:8883");
  EXPECT_EQ(lost["status"]["endpoints"],
            Json::parse(R"({"users":"http://a","things":"http://a","auth":"http://a:8189",
                                                         "access":"http://a:8989","mqtt":"ssl://b:8883"})"));
  EXPECT_EQ(Get(kube::kIotSlices, "slicelet", "north")["status"]["servers"], 2);
}

TEST_F(ServersTest, AServerThatGatewaysNameStays) {
  MakeSlice();
  Advance();
  Create(kube::kIotServers, "north", "iot",
         {{"slice", "north"}, {"profile", "external"}, {"url", "http://iot"}});
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotServers, "north", "iot")),
              HasSubstr("False InUse: gateways are attached to it, or are to be: press: "));
  Patch(kube::kIotGateways, "north", "press", {{"spec", {{"attachTo", nullptr}}}});
  Advance();
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot"), Json());
}

}  // namespace
}  // namespace slicelet::provider
