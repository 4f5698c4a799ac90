// What our kinds name that is not there: each name has a reason of its own, and what waits for it goes on
// when it comes.
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class ReferencesTest : public ControllersTest {
 protected:
  void MakeOfOthers(const std::string& name, const Json& more) {
    Json spec = {{"slice", "north"},
                 {"profile", "external"},
                 {"dialect", "mainflux-classic"},
                 {"url", "http://iot.example.com"}};
    spec.update(more);
    Create(kube::kIotServers, "north", name, spec);
  }
  [[nodiscard]] std::string Ready(const std::string& server) {
    return Condition(Get(kube::kIotServers, "north", server));
  }
};

TEST_F(ReferencesTest, EachNameOfWhatIsNotThereIsTold) {
  MakeSlice("north", {{"cloud", {{"node", "gw-9"}}}});
  Advance();
  struct Row {
    const kube::Resource& kind;
    std::string ns, name, condition, says;
    std::function<void()> make;
  };
  const std::vector<Row> rows = {
      {kube::kIotSlices, "slicelet", "far", "Ready",
       "False ClusterNotFound: spec.edge.cluster: there is no IotCluster plant",
       [this] { MakeSlice("far", {{"edge", {{"cluster", "plant"}}}}); }},
      {kube::kIotSlices, "slicelet", "cloudy", "Ready",
       "False ClusterNotFound: spec.cloud.cluster: there is no IotCluster cumulus",
       [this] { MakeSlice("cloudy", {{"cloud", {{"cluster", "cumulus"}}}}); }},
      {kube::kIotClusters, "slicelet", "core", "Ready",
       "False SecretNotFound: spec.kubeconfigSecret: Secret access is not in namespace slicelet",
       [this] {
         Create(kube::kIotClusters, "slicelet", "core", {{"role", "cloud"}, {"kubeconfigSecret", "access"}});
       }},
      {kube::kIotGateways, "north", "slice", "Ready",
       "False WrongNamespace: spec.slice: namespace north is that of IotSlice north, not of west",
       [this] { MakeGateway({{"slice", "west"}}, "slice"); }},
      {kube::kIotGateways, "north", "host", "Ready",
       "False HostNotFound: spec.target.host: there is no EdgeHost gw-9",
       [this] { MakeGateway({{"target", {{"host", "gw-9"}}}}, "host"); }},
      {kube::kIotGateways, "north", "node", "Ready",
       "False NodeNotFound: spec.target.node: hub plant-7 has no slice node fleet",
       [this] { MakeGateway({{"target", {{"host", nullptr}, {"node", "fleet"}}}}, "node"); }},
      {kube::kIotGateways, "north", "attach", "Attached",
       "False ServerNotFound: spec.attachTo: there is no IotServer nowhere",
       [this] { MakeGateway({{"attachTo", "nowhere"}}, "attach"); }},
      {kube::kIotServers, "north", "slice", "Ready",
       "False WrongNamespace: spec.slice: ", [this] { MakeServer({{"slice", "west"}}, "slice"); }},
      {kube::kIotServers, "north", "host", "Ready",
       "False HostNotFound: spec.target.host: there is no EdgeHost gw-9",
       [this] { MakeServer({{"target", {{"host", "gw-9"}}}}, "host"); }},
      // Of its slice's spec.cloud.node.
      {kube::kIotServers, "north", "cloud", "Ready",
       "False NodeNotFound: ", [this] { MakeServer({{"target", nullptr}}, "cloud"); }},
      {kube::kIotServers, "north", "login", "Ready",
       "False CredentialsNotFound: spec.credentialsSecret: there is no Secret none in namespace north",
       [this] { MakeOfOthers("login", {{"credentialsSecret", "none"}}); }},
      {kube::kIotServers, "north", "user", "Ready", "False Progressing: Secret none: ",
       [this] { MakeOfOthers("user", {{"credentialsSecret", "none"}, {"createUser", true}}); }},
      {kube::kIotDevices, "north", "gateway", "Ready",
       "False GatewayNotFound: ", [this] { MakeDevice({{"gateway", "nowhere"}}, "gateway"); }},
  };
  for (const Row& row : rows) row.make();
  Advance();
  for (const Row& row : rows) {
    EXPECT_THAT(Condition(Get(row.kind, row.ns, row.name), row.condition), StartsWith(row.says))
        << row.kind.kind << " " << row.name;
  }
  EXPECT_THAT(Pods("north"), SizeIs(1)) << "the gateway that waits for its server runs";
  // All of them can be deleted as they are.
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    Delete(row->kind, row->ns, row->name);
    Advance();
    EXPECT_EQ(Get(row->kind, row->ns, row->name), Json()) << row->kind.kind << " " << row->name;
  }
}

TEST_F(ReferencesTest, SecretsOfARegistryArePassedOnAsTheyAreNamed) {
  MakeSlice();
  Advance();
  MakeGateway({{"imagePullSecrets", {"registry"}}});
  Advance();
  ASSERT_THAT(Pods("north"), SizeIs(1));
  // As in Kubernetes: an image that needs no login is pulled without, and the pod's status tells of another.
  EXPECT_EQ(Pods("north").front()["spec"]["imagePullSecrets"], Json::parse(R"([{"name":"registry"}])"));
}

TEST_F(ReferencesTest, AServerOfOthersIsReadyOnceItsSecretIsThere) {
  MakeSlice();
  Advance();
  MakeOfOthers("iot", {{"credentialsSecret", "login"}});
  MakeOfOthers("bare", Json::object());
  Advance();
  EXPECT_THAT(Ready("bare"), StartsWith("True Adopted: ")) << "nobody is to be attached there";
  EXPECT_THAT(Ready("iot"), StartsWith("False CredentialsNotFound: "));
  EXPECT_EQ(Steps(Get(kube::kIotServers, "north", "iot")), "Checks=Done Adopted=Done Credentials=Running");

  CreateWith(kube::kSecrets, "north", "login", {{"stringData", {{"email", "me@example.com"}}}});
  Advance(minutes(2));
  EXPECT_THAT(Ready("iot"), StartsWith("False CredentialsIncomplete: "));
  EXPECT_THAT(Ready("iot"), HasSubstr(R"(Secret login needs the keys "email" and "password")"));
  Patch(kube::kSecrets, "north", "login", {{"stringData", {{"password", "12345678"}}}});
  Advance(minutes(2));
  EXPECT_THAT(Ready("iot"), StartsWith("True Adopted: "));
  EXPECT_THAT(mainflux_.users, IsEmpty()) << "nobody asked for a user";

  // A new hub reads it anew, and changes nothing meanwhile.
  const Json before = Get(kube::kIotServers, "north", "iot");
  Crash();
  Advance(minutes(5));
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot"), before);
  Delete(kube::kSecrets, "north", "login");
  Advance(minutes(3));
  EXPECT_THAT(Ready("iot"), StartsWith("False CredentialsNotFound: "));
  // Another one is named.
  MakeLogin();
  Advance(minutes(2));
  EXPECT_THAT(Ready("iot"), StartsWith("True Adopted: "));
  Patch(kube::kIotServers, "north", "iot", {{"spec", {{"credentialsSecret", "other"}}}});
  Advance();
  EXPECT_THAT(Ready("iot"), HasSubstr("there is no Secret other"));
  Delete(kube::kIotServers, "north", "iot");
  Advance();
  EXPECT_EQ(Get(kube::kIotServers, "north", "iot"), Json());
}

}  // namespace
}  // namespace slicelet::provider
