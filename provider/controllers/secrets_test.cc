#include <algorithm>

#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::IsEmpty;

/// What is made with a password, and the Secrets that hold it.
class SecretsTest : public ControllersTest {
 protected:
  SecretsTest() {
    MakeSlice();
    Advance();
  }
  void MakeBoth() {
    MakeGateway();
    MakeServer();
    Advance();
  }
  /// A Secret of that name that belongs to somebody.
  void MakeSecretOf(const std::string& name, const Json& owner, const Json& finalizers = Json::array()) {
    CreateWith(kube::kSecrets, "north", name,
               {{"metadata", {{"ownerReferences", Json::array({owner})}, {"finalizers", finalizers}}},
                {"stringData", {{"password", "old"}}}});
  }
  static Json Former(const kube::Resource& kind, const std::string& name) {
    return {{"apiVersion", "slicelet.io/v1alpha1"},
            {"kind", kind.kind},
            {"name", name},
            {"uid", "00000000-former"},
            {"controller", true}};
  }
  Json Secret(const std::string& name) { return Get(kube::kSecrets, "north", name); }
  Json Gateway() { return Get(kube::kIotGateways, "north", "press"); }
  Json Server() { return Get(kube::kIotServers, "north", "iot"); }
  static std::string OwnerOf(const Json& secret) {
    return GetString(secret, "/metadata/ownerReferences/0/uid");
  }
};

TEST_F(SecretsTest, WhatIsGivenUpLeavesNoneBehind) {
  MakeBoth();
  hosts_away_ = true;
  for (const auto& [kind, name] :
       {std::pair(kube::kIotGateways, "press"), std::pair(kube::kIotServers, "iot")}) {
    Delete(kind, "north", name);
    Patch(kind, "north", name, {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  }
  Advance();
  EXPECT_EQ(Gateway(), Json());
  EXPECT_EQ(Server(), Json());
  EXPECT_THAT(server_.cluster().All(kube::kSecrets), IsEmpty()) << "Kubernetes would remove them later";
}

TEST_F(SecretsTest, ThoseOfAFormerOneOfTheSameNameAreReplaced) {
  MakeSecretOf("press-database", Former(kube::kIotGateways, "press"));
  MakeSecretOf("iot-server", Former(kube::kIotServers, "iot"));
  MakeSecretOf("iot-credentials", Former(kube::kIotServers, "iot"));
  MakeBoth();
  EXPECT_EQ(OwnerOf(Secret("press-database")), kube::UidOf(Gateway()));
  for (const char* name : {"iot-server", "iot-credentials"})
    EXPECT_EQ(OwnerOf(Secret(name)), kube::UidOf(Server())) << name;
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
}

TEST_F(SecretsTest, ThoseOfOthersAreTaken) {
  const Json other = {{"apiVersion", "external-secrets.io/v1"},
                      {"kind", "ExternalSecret"},
                      {"name", "press"},
                      {"uid", "00000000-other"},
                      {"controller", true}};
  MakeSecretOf("press-database", other);
  CreateWith(kube::kSecrets, "north", "iot-server", {{"stringData", {{"database", "mine"}}}});
  const Json before = Secret("press-database");
  const Json keys = Secret("iot-server");
  MakeBoth();
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_EQ(Server()["status"]["phase"], "Ready");
  EXPECT_EQ(Secret("press-database"), before);
  EXPECT_EQ(Secret("iot-server"), keys);
}

TEST_F(SecretsTest, AFormerOneThatDoesNotGoIsSaidAndWaitedFor) {
  MakeSecretOf("press-database", Former(kube::kIotGateways, "press"), {"example.com/keep"});
  MakeGateway();
  int calls = 0;
  server_.faults().before = [&](const kube::KubeCall& call) {
    calls += call.user == "provider" && call.ref.resource == kube::kSecrets ? 1 : 0;
    return absl::OkStatus();
  };
  Advance(minutes(30));
  EXPECT_THAT(Steps(Gateway()), HasSubstr("Credentials=Failed"));
  EXPECT_THAT(Condition(Gateway()), HasSubstr("False CredentialsFailed: "));
  EXPECT_LT(calls, 60) << "ever more slowly";
  Patch(kube::kSecrets, "north", "press-database", {{"metadata", {{"finalizers", nullptr}}}});
  Advance(minutes(6));
  EXPECT_EQ(OwnerOf(Secret("press-database")), kube::UidOf(Gateway()));
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
}

/// A database has the password that it began with.
TEST_F(SecretsTest, OneThatIsDeletedByHandIsNotMadeAnew) {
  MakeBoth();
  Delete(kube::kSecrets, "north", "press-database");
  Advance(minutes(10));
  Crash();
  Advance(minutes(10));
  EXPECT_EQ(Secret("press-database"), Json());
}

TEST_F(SecretsTest, WhileTheyCanNotBeReadNoneIsMade) {
  bool refuses = true;
  server_.faults().before = [&](const kube::KubeCall& call) {
    const bool reads =
        call.user == "provider" && call.ref.resource == kube::kSecrets && call.verb == kube::Verb::kGet;
    return reads && refuses ? absl::PermissionDeniedError("secrets is forbidden") : absl::OkStatus();
  };
  MakeGateway();
  Advance();
  EXPECT_THAT(Condition(Gateway()), HasSubstr("False CredentialsFailed: secrets is forbidden"));
  EXPECT_EQ(Secret("press-database"), Json());
  refuses = false;
  Advance(minutes(2));
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
}

}  // namespace
}  // namespace slicelet::provider
