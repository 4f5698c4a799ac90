// The kinds of slicelet.io/v1alpha1 on a real API server: what their schemas take, fill in and refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "common/json/yaml.h"
#include "kube/object.h"
#include "kube/testing/control_plane.h"

namespace slicelet::kube {
namespace {

using testing::HasSubstr;

const testing::Environment* const kControlPlane = testing::AddGlobalTestEnvironment(new ControlPlane);

const Resource kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                            "CustomResourceDefinition", false};
constexpr std::size_t kMaxFile = std::size_t{1} << 20;

const std::vector<Resource>& Kinds() {
  static const std::vector<Resource> kinds = {kEdgeHosts,   kIotClusters, kIotSlices,
                                              kIotGateways, kIotServers,  kIotDevices};
  return kinds;
}

/// The least that each kind needs.
Json LeastSpec(const Resource& kind) {
  if (kind == kIotClusters) return {{"role", "edge"}};
  if (kind == kIotGateways) return {{"slice", "north"}, {"target", {{"host", "gw-1"}}}};
  if (kind == kIotServers) return {{"slice", "north"}};
  if (kind == kIotDevices) {
    return {{"gateway", "gw"},
            {"protocol", "virtual"},
            {"resources", Json::array({Json({{"name", "temperature"}})})}};
  }
  return Json::object();
}

/// A change of the least spec, and a part of the API server's refusal; an empty one means that it is taken.
struct Case {
  const Resource& kind;
  /// Merged into the spec: a member that is null is taken away.
  std::string change;
  std::string refusal;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.kind.kind << " " << c.change.substr(0, 200); }

class KindsTest : public ControlPlaneTest {
 protected:
  static void SetUpTestSuite() { installed_ = false; }

  void SetUp() override {
    if (installed_) return;
    for (const Resource& kind : Kinds()) Install(kind);
    installed_ = true;
  }

  void Install(const Resource& kind) {
    const auto text = files->Read(std::string(SLICELET_CRDS) + "/" + kind.plural + ".yaml", kMaxFile);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto definition = ParseYaml(*text);
    ASSERT_TRUE(definition.ok()) << definition.status();
    const std::string name = GroupName(kind);
    const auto created =
        Await<Json>([&](const auto& done) { api->Create({kDefinitions, "", name, ""}, *definition, done); });
    ASSERT_TRUE(created.ok()) << created.status();
    Json read;
    const auto holds = [&](const char* type) {
      const Json* conditions = Find(read, {"status", "conditions"});
      if (conditions == nullptr) return false;
      for (const Json& condition : *conditions) {
        if (TextAt(condition, {"type"}) == type) return TextAt(condition, {"status"}) == "True";
      }
      return false;
    };
    while (!holds("Established")) {
      const auto answer =
          Await<Json>([&](const auto& done) { api->Get({kDefinitions, "", name, ""}, done); });
      ASSERT_TRUE(answer.ok()) << answer.status();
      read = *answer;
    }
    EXPECT_FALSE(holds("NonStructuralSchema")) << read["status"];
    // Established is said a little before the kind is served.
    while (absl::IsNotFound(
        Await<ObjectList>([&](const auto& done) { api->List(kind, "default", {}, done); }).status())) {
    }
  }

  static std::string GroupName(const Resource& kind) { return kind.plural + "." + kind.group; }

  absl::StatusOr<Json> Create(const Resource& kind, const Json& spec, std::string name = "") {
    static int number = 0;
    if (name.empty()) name = "case-" + std::to_string(++number);
    return Await<Json>(
        [&](const auto& done) { api->Create({kind, "default", name, ""}, {{"spec", spec}}, done); });
  }
  absl::StatusOr<Json> Patch(const Resource& kind, const std::string& name, const Json& patch,
                             const std::string& subresource = "") {
    return Await<Json>([&](const auto& done) {
      api->Patch({kind, "default", name, subresource}, PatchType::kMerge, patch, done);
    });
  }

 private:
  static bool installed_;
};
bool KindsTest::installed_ = false;

/// `count` copies of "x", quoted.
std::string Long(std::size_t count) { return "\"" + std::string(count, 'x') + "\""; }

/// What a field holds: no text, a text that may be empty, or one that may not.
enum class Content { kOther, kAnyText, kText };

/// Each field with a value of another type, with 10,000 characters, and with none.
std::vector<Case> WrongTypesAndSizes() {
  using enum Content;
  struct Field {
    const Resource& kind;
    std::string before, after;
    Content content;
  };
  const std::vector<Field> fields = {
      {kEdgeHosts, R"({"approved":)", "}", kOther},
      {kEdgeHosts, R"({"revoked":)", "}", kOther},
      {kEdgeHosts, R"({"maintenance":)", "}", kOther},
      {kEdgeHosts, R"({"tags":)", "}", kOther},
      {kEdgeHosts, R"({"tags":{"site":)", "}}", kAnyText},
      {kIotClusters, R"({"role":)", "}", kText},
      {kIotClusters, R"({"kubeconfigSecret":)", "}", kText},
      {kIotClusters, R"({"kubeconfigSecret":"s","context":)", "}", kText},
      {kIotClusters, R"({"description":)", "}", kAnyText},
      {kIotSlices, R"({"namespace":)", "}", kText},
      {kIotSlices, R"({"edge":)", "}", kOther},
      {kIotSlices, R"({"edge":{"cluster":)", "}}", kText},
      {kIotSlices, R"({"edge":{"nodes":)", "}}", kOther},
      {kIotSlices, R"({"edge":{"nodes":[)", "]}}", kText},
      {kIotSlices, R"({"cloud":)", "}", kOther},
      {kIotSlices, R"({"cloud":{"cluster":)", "}}", kText},
      {kIotSlices, R"({"cloud":{"node":)", "}}", kText},
      {kIotSlices, R"({"quota":)", "}", kOther},
      {kIotSlices, R"({"quota":{"pods":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"cpu":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"memory":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"gateways":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"servers":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"devices":)", "}}", kOther},
      {kIotGateways, R"({"slice":)", "}", kText},
      {kIotGateways, R"({"profile":)", "}", kText},
      {kIotGateways, R"({"deviceService":)", "}", kText},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":)", "}", kText},
      {kIotGateways, R"({"target":)", "}", kOther},
      {kIotGateways, R"({"target":{"host":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","targetCondition":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"best-fit","hosts":)", "}}",
       kOther},
      {kIotGateways, R"({"attachTo":)", "}", kText},
      {kIotGateways, R"({"suspended":)", "}", kOther},
      {kIotGateways, R"({"update":)", "}", kOther},
      {kIotGateways, R"({"update":{"strategy":)", "}}", kText},
      {kIotGateways, R"({"update":{"rollbackAfter":)", "}}", kText},
      {kIotGateways, R"({"images":)", "}", kOther},
      {kIotGateways, R"({"images":{"core-data":)", "}}", kText},
      {kIotGateways, R"({"imagePullSecrets":)", "}", kOther},
      {kIotGateways, R"({"imagePullSecrets":[)", "]}", kText},
      {kIotGateways, R"({"profile":"custom","template":)", "}", kOther},
      {kIotGateways, R"({"profile":"custom","template":{"spec":)", "}}", kOther},
      {kIotGateways, R"({"profile":"custom","template":{"spec":{"containers":)", "}}}", kOther},
      {kIotServers, R"({"slice":)", "}", kText},
      {kIotServers, R"({"profile":)", "}", kText},
      {kIotServers, R"({"dialect":)", "}", kText},
      {kIotServers, R"({"profile":"external","url":)", "}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":)", "}", kOther},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"users":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"things":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"auth":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"access":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"mqtt":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala","domain":)", "}", kText},
      {kIotServers, R"({"credentialsSecret":)", "}", kText},
      {kIotServers, R"({"credentialsSecret":"s","createUser":)", "}", kOther},
      {kIotServers, R"({"target":)", "}", kOther},
      {kIotServers, R"({"target":{"host":)", "}}", kText},
      {kIotServers, R"({"target":{"node":)", "}}", kText},
      {kIotServers, R"({"address":)", "}", kText},
      {kIotServers, R"({"ports":)", "}", kOther},
      {kIotServers, R"({"ports":{"users":)", "}}", kOther},
      {kIotServers, R"({"ports":{"things":)", "}}", kOther},
      {kIotServers, R"({"ports":{"auth":)", "}}", kOther},
      {kIotServers, R"({"ports":{"access":)", "}}", kOther},
      {kIotServers, R"({"ports":{"mqtt":)", "}}", kOther},
      {kIotServers, R"({"dataPath":)", "}", kText},
      {kIotServers, R"({"suspended":)", "}", kOther},
      {kIotServers, R"({"images":{"users":)", "}}", kText},
      {kIotServers, R"({"imagePullSecrets":[)", "]}", kText},
      {kIotDevices, R"({"gateway":)", "}", kText},
      {kIotDevices, R"({"protocol":)", "}", kText},
      {kIotDevices, R"({"protocolProperties":)", "}", kOther},
      {kIotDevices, R"({"protocolProperties":{"CommandTopic":)", "}}", kAnyText},
      {kIotDevices, R"({"locked":)", "}", kOther},
      {kIotDevices, R"({"labels":)", "}", kOther},
      {kIotDevices, R"({"labels":[)", "]}", kText},
      {kIotDevices, R"({"resources":)", "}", kOther},
      {kIotDevices, R"({"resources":[{"name":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","valueType":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","readWrite":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","units":)", "}]}", kAnyText},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","maximum":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","interval":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","attributes":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","attributes":{"primaryTable":)", "}}]}", kAnyText},
  };
  std::vector<Case> cases;
  for (const Field& field : fields) {
    // Every refusal names a field of the spec.
    cases.push_back(
        {field.kind, field.before + (field.content == kOther ? Long(3) : "7") + field.after, "spec."});
    cases.push_back({field.kind, field.before + Long(10'000) + field.after, "spec."});
    if (field.content == kOther) continue;
    cases.push_back(
        {field.kind, field.before + R"("")" + field.after, field.content == kAnyText ? "" : "spec."});
  }
  return cases;
}

std::vector<Case> Rules() {
  return {
      {kEdgeHosts, R"({"approved":true,"tags":{"site":"north"}})", ""},
      {kEdgeHosts, R"({"tags":{)" + Long(200) + R"(:"north"}})", "at most 128 characters"},
      {kIotClusters, R"({})", ""},
      {kIotClusters, R"({"role":null})", "spec.role: Required value"},
      {kIotClusters, R"({"role":"fog"})", "spec.role: Unsupported value"},
      {kIotClusters, R"({"kubeconfigSecret":"far","context":"admin@far"})", ""},
      {kIotClusters, R"({"context":"admin@far"})", "give kubeconfigSecret"},
      {kIotSlices, R"({})", ""},
      {kIotSlices,
       R"({"edge":{"cluster":"here","nodes":["gw-1"]},"cloud":{"cluster":"far","node":"c-1.example"},)"
       R"("quota":{"pods":20,"cpu":"500m","memory":"1.5Gi","gateways":3}})",
       ""},
      {kIotSlices, R"({"quota":{"cpu":2}})", ""},
      {kIotSlices, R"({"quota":{}})", "spec.quota"},
      {kIotSlices, R"({"quota":{"cpu":"much"}})", "spec.quota.cpu"},
      {kIotSlices, R"({"quota":{"pods":-1}})", "spec.quota.pods"},
      {kIotSlices, R"({"quota":{"pods":100001}})", "spec.quota.pods"},
      {kIotSlices, R"({"namespace":"kube-system"})", "belongs to Kubernetes"},
      {kIotSlices, R"({"namespace":"default"})", "belongs to Kubernetes"},
      {kIotSlices, R"({"namespace":"Upper"})", "spec.namespace"},
      {kIotSlices, R"({"edge":{"nodes":["a","a"]}})", "spec.edge.nodes[1]: Duplicate value"},
      {kIotSlices, R"({"edge":{"cluster":"-a"}})", "spec.edge.cluster"},
      {kIotGateways, R"({})", ""},
      {kIotGateways, R"({"slice":null})", "spec.slice: Required value"},
      {kIotGateways, R"({"target":null})", "spec.target: Required value"},
      {kIotGateways, R"({"target":{"host":null}})", "give host (one edge machine) or node"},
      {kIotGateways, R"({"target":{"node":"fleet"}})", "give host (one edge machine) or node"},
      {kIotGateways, R"({"target":{"targetCondition":"tags.a = 'b'"}})", "give node"},
      {kIotGateways, R"({"target":{"placement":"all"}})", "give node"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","hosts":2}})", "other than all"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"all","hosts":2}})",
       "other than all"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"best-fit","hosts":0}})",
       "spec.target.hosts"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"anywhere"}})",
       "spec.target.placement: Unsupported value: \"anywhere\""},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"traffic-most","hosts":3}})", ""},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"most_traffic"}})", ""},
      {kIotGateways,
       R"({"target":{"host":null,"node":"fleet","targetCondition":"tags.site = 'north'",)"
       R"("placement":"worst-fit","hosts":2}})",
       ""},
      {kIotGateways, R"({"deviceService":"opcua"})", "spec.deviceService: Unsupported value"},
      {kIotGateways, R"({"serialDevice":"/dev/ttyUSB0"})", "for deviceService modbus"},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/dev/ttyUSB0"})", ""},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/dev/../etc/shadow"})",
       "must not contain .."},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/etc/shadow"})", "spec.serialDevice"},
      {kIotGateways, R"({"profile":"edgex-1.0"})", "spec.profile: Unsupported value"},
      {kIotGateways, R"({"profile":"custom"})", "give both or neither"},
      {kIotGateways, R"({"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}})",
       "give both or neither"},
      {kIotGateways,
       R"({"profile":"custom","template":{"metadata":{"labels":{"a":"b"}},)"
       R"("spec":{"containers":[{"name":"a","image":"b"}],"volumes":[]}}})",
       ""},
      {kIotGateways,
       R"({"profile":"custom","template":{"spec":{"nodeName":"n","containers":[{"name":"a","image":"b"}]}}})",
       "spec.target to say"},
      {kIotGateways, R"({"profile":"custom","template":{"spec":{"containers":[]}}})",
       "spec.template.spec.containers"},
      {kIotGateways, R"({"update":{"strategy":"hand-over","rollbackAfter":"1h30m"}})", ""},
      {kIotGateways, R"({"update":{"strategy":"pull-first"}})", "spec.update.strategy"},
      {kIotGateways, R"({"update":{"rollbackAfter":"0m"}})", "spec.update.rollbackAfter"},
      {kIotServers, R"({})", ""},
      {kIotServers, R"({"profile":"external"})", "url is where"},
      {kIotServers, R"({"url":"https://iot.example.com"})", "url is where"},
      {kIotServers, R"({"profile":"external","url":"https://iot.example.com:8443/api"})", ""},
      {kIotServers, R"({"profile":"external","url":"ftp://iot.example.com"})", "spec.url"},
      {kIotServers, R"({"profile":"external","url":"https://me:secret@iot.example.com"})", "spec.url"},
      {kIotServers,
       R"({"profile":"external","url":"http://a","endpoints":{"users":"http://a:8180","things":"http://a:8182",)"
       R"("auth":"http://a:8989","mqtt":"tcp://a:1883"}})",
       ""},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"mqtt":"http://a:1883"}})",
       "spec.endpoints.mqtt"},
      {kIotServers, R"({"endpoints":{"mqtt":"tcp://a:1883"}})", "give url"},
      {kIotServers, R"({"profile":"external","url":"http://a","target":{"host":"gw-1"}})",
       "leave target out"},
      {kIotServers, R"({"profile":"external","url":"http://a","suspended":true})", "cannot be suspended"},
      {kIotServers, R"({"dialect":"magistrala","domain":"d"})", "run by others"},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala"})", "needs a domain"},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala","domain":"d"})", ""},
      {kIotServers, R"({"domain":"d"})", "for dialect magistrala"},
      {kIotServers, R"({"createUser":true})", ""},
      {kIotServers, R"({"profile":"external","url":"http://a","createUser":true})",
       "needs credentialsSecret"},
      {kIotServers,
       R"({"target":{"host":"gw-1"},"address":"10.0.0.7","ports":{"mqtt":2883},"dataPath":"/srv/iot"})", ""},
      {kIotServers, R"({"target":{"host":"gw-1","node":"gw-1"}})", "not both"},
      {kIotServers, R"({"target":{}})", "not both"},
      {kIotServers, R"({"profile":"external","url":"http://a","address":"a"})", "give endpoints"},
      {kIotServers, R"({"profile":"external","url":"http://a","ports":{"mqtt":1}})", "give endpoints"},
      {kIotServers, R"({"address":"http://a"})", "spec.address"},
      {kIotServers, R"({"ports":{}})", ""},
      {kIotServers, R"({"ports":{"mqtt":0}})", "spec.ports.mqtt"},
      {kIotServers, R"({"ports":{"mqtt":65536}})", "spec.ports.mqtt"},
      {kIotServers, R"({"ports":{"mqtt":8180}})", "may be the same"},
      {kIotServers, R"({"dataPath":"relative"})", "spec.dataPath"},
      {kIotServers, R"({"dataPath":"/"})", "spec.dataPath"},
      {kIotServers, R"({"dataPath":"/var/lib/../../etc"})", "must not contain .."},
      {kIotServers, R"({"createUser":true,"credentialsSecret":"admin"})", ""},
      {kIotDevices, R"({})", ""},
      {kIotDevices, R"({"gateway":null})", "spec.gateway: Required value"},
      {kIotDevices, R"({"protocol":null})", "spec.protocol: Required value"},
      {kIotDevices, R"({"protocol":"coap"})", "spec.protocol: Unsupported value"},
      {kIotDevices, R"({"resources":[]})", "spec.resources"},
      {kIotDevices, R"({"resources":[{"name":"a"},{"name":"a"}]})", "spec.resources[1]: Duplicate value"},
      {kIotDevices, R"({"resources":[{"name":"a b"}]})", "spec.resources[0].name"},
      {kIotDevices, R"({"resources":[{"name":"a","valueType":"Complex"}]})", "spec.resources[0].valueType"},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":2,"maximum":1}]})", "minimum is above maximum"},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":-0.5,"maximum":1}]})", ""},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"10s","readWrite":"W"}]})", "has no interval"},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"often"}]})", "spec.resources[0].interval"},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"500ms"}]})", ""},
      {kIotDevices, R"({"protocol":"modbus"})", "needs protocolProperties"},
      {kIotDevices, R"({"protocol":"modbus","protocolProperties":{"Address":"10.0.0.7"}})",
       "needs protocolProperties"},
      {kIotDevices,
       R"({"protocol":"modbus","protocolProperties":{"Address":"10.0.0.7","Port":"502","UnitID":"1"},)"
       R"("resources":[{"name":"a","attributes":{"primaryTable":"HOLDING_REGISTERS"}}]})",
       ""},
  };
}

TEST_F(KindsTest, SpecsAreTakenOrRefusedByField) {
  std::vector<Case> cases = WrongTypesAndSizes();
  for (Case& rule : Rules()) cases.push_back(std::move(rule));
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c));
    Json spec = LeastSpec(c.kind);
    spec.merge_patch(Json::parse(c.change));
    const auto answer = Create(c.kind, spec);
    if (c.refusal.empty()) {
      EXPECT_TRUE(answer.ok()) << answer.status();
    } else {
      ASSERT_FALSE(answer.ok());
      EXPECT_EQ(answer.status().code(), absl::StatusCode::kFailedPrecondition) << answer.status();
      EXPECT_THAT(Message(answer.status()), HasSubstr(c.refusal));
    }
  }
}

TEST_F(KindsTest, NamesAreLabelsThatLeaveRoomForThoseOfPods) {
  for (const Resource& kind : Kinds()) {
    SCOPED_TRACE(kind.kind);
    const std::size_t longest = kind == kIotGateways || kind == kIotServers ? 50 : 63;
    EXPECT_TRUE(Create(kind, LeastSpec(kind), std::string(longest, 'n')).ok());
    EXPECT_TRUE(
        absl::IsFailedPrecondition(Create(kind, LeastSpec(kind), std::string(longest + 1, 'n')).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(Create(kind, LeastSpec(kind), "a.b").status()));
    // Two objects with one name.
    EXPECT_TRUE(absl::IsAlreadyExists(Create(kind, LeastSpec(kind), std::string(longest, 'n')).status()));
  }
  EXPECT_THAT(Message(Create(kIotSlices, Json::object(), "kube-edge").status()),
              HasSubstr("give spec.namespace"));
  EXPECT_TRUE(Create(kIotSlices, {{"namespace", "edge"}}, "kube-edge").ok());
}

TEST_F(KindsTest, DefaultsAreFilledIn) {
  const auto gateway = Create(kIotGateways, LeastSpec(kIotGateways));
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_EQ((*gateway)["spec"], Json::parse(R"({"slice":"north","target":{"host":"gw-1"},"suspended":false,
                                  "profile":"edgex-4.0-minimal","deviceService":"virtual"})"));
  const auto server = Create(kIotServers, LeastSpec(kIotServers));
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)["spec"], Json::parse(R"({"slice":"north","profile":"mainflux-classic","suspended":false,
                                 "dialect":"mainflux-classic","createUser":false,
                                 "dataPath":"/var/lib/slicelet-servers"})"));
  const auto device = Create(kIotDevices, LeastSpec(kIotDevices));
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ((*device)["spec"]["resources"][0],
            Json::parse(R"({"name":"temperature","valueType":"Float64","readWrite":"R"})"));
  const auto slice = Create(kIotSlices, Json::object());
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ((*slice)["spec"], Json::parse(R"({"edge":{},"cloud":{}})"));
}

TEST_F(KindsTest, WhatAnObjectBelongsToDoesNotChange) {
  const std::vector<std::tuple<Resource, Json, Json>> cases = {
      {kIotClusters, Json::object(), {{"role", "cloud"}}},
      {kIotSlices, {{"namespace", "one"}}, {{"namespace", "two"}}},
      {kIotSlices, {{"namespace", "one"}}, {{"namespace", nullptr}}},
      {kIotSlices, Json::object(), {{"namespace", "two"}}},
      {kIotGateways, Json::object(), {{"slice", "south"}}},
      {kIotServers, Json::object(), {{"slice", "south"}}},
      {kIotServers, Json::object(), {{"profile", "external"}, {"url", "http://a"}}},
      {kIotServers, Json::object(), {{"dataPath", "/srv/other"}}},
      {kIotDevices, Json::object(), {{"gateway", "other"}}},
  };
  for (const auto& [kind, more, change] : cases) {
    SCOPED_TRACE(kind.kind + " " + change.dump());
    Json spec = LeastSpec(kind);
    spec.merge_patch(more);
    const auto created = Create(kind, spec);
    ASSERT_TRUE(created.ok()) << created.status();
    const auto patched = Patch(kind, NameOf(*created), {{"spec", change}});
    EXPECT_TRUE(absl::IsFailedPrecondition(patched.status())) << patched.status();
    EXPECT_THAT(Message(patched.status()), HasSubstr("cannot be changed"));
  }
}

TEST_F(KindsTest, StatusesHoldConditionsAndSteps) {
  for (const Resource& kind : Kinds()) {
    SCOPED_TRACE(kind.kind);
    const auto created = Create(kind, LeastSpec(kind));
    ASSERT_TRUE(created.ok()) << created.status();
    Json status = Json::parse(R"({
      "observedGeneration": 1,
      "conditions": [{"type": "Ready", "status": "False", "reason": "NotYet", "message": "",
                      "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 1}],
      "steps": [{"name": "Namespace", "state": "Running", "time": "2026-01-02T03:04:05Z", "message": ""}]})");
    const auto written = Patch(kind, NameOf(*created), {{"status", status}}, "status");
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ((*written)["status"], status);
    status["steps"][0]["state"] = "Walking";
    EXPECT_TRUE(
        absl::IsFailedPrecondition(Patch(kind, NameOf(*created), {{"status", status}}, "status").status()));
  }
}

}  // namespace
}  // namespace slicelet::kube
