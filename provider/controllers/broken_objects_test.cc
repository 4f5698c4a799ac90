// Whatever types the members of users' objects have, the controllers say what is wrong, and go on.

#include "common/json/testing/mutations.h"
#include "common/log/log.h"
#include "provider/controllers/clusters.h"
#include "provider/controllers/devices.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/gateways.h"
#include "provider/controllers/revisions.h"
#include "provider/controllers/servers.h"
#include "provider/controllers/slice_parts.h"
#include "provider/controllers/slices.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

const ControllerSettings kSettings{
    .hub_id = "plant-7", .ns = "slicelet", .taint_key = "slicelet.io/slice-node"};

Json Template() {
  return *ParseYaml(R"(
metadata: {labels: {app: press}, annotations: {slicelet.io/depends-on: a=senml-export, slicelet.io/per-host-secrets: s}}
spec:
  nodeSelector: {a: b}
  hostAliases: [{ip: 192.0.2.9, hostnames: [a]}]
  tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]
  imagePullSecrets: [{name: registry}]
  securityContext: {runAsUser: 1, supplementalGroups: [2]}
  initContainers: [{name: init, image: "i:1"}]
  containers:
    - name: a
      image: a:1
      command: [sh, -c, exit]
      env: [{name: A, value: "1"}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]
      envFrom: [{configMapRef: {name: m}}]
      ports: [{containerPort: 80, hostPort: 80}]
      resources: {limits: {cpu: 1, memory: 1Gi}}
      livenessProbe: {httpGet: {port: 80}}
      volumeMounts: [{name: v, mountPath: /v}]
    - name: senml-export
      image: e:1
      env: [{name: MESSAGEBUS_HOST, value: localhost}]
      volumeMounts: [{name: v, mountPath: /w}]
  volumes: [{name: v, hostPath: {path: /v}}, {name: w, emptyDir: {}}]
)");
}

Json Object(const std::string& kind, const std::string& name, const Json& spec, const Json& status) {
  const std::string ns =
      kind == "IotGateway" || kind == "IotServer" || kind == "IotDevice" ? "north" : "slicelet";
  return {{"kind", kind},
          {"metadata",
           {{"name", name},
            {"namespace", ns},
            {"uid", "uid-of-" + name},
            {"resourceVersion", "7"},
            {"generation", 2},
            {"finalizers", Json::array({kFinalizer})},
            {"annotations", {{"a", "b"}}}}},
          {"spec", spec},
          {"status", status}};
}

Json Status() {
  return *ParseYaml(R"(
phase: Ready
address: 192.0.2.1
mqtt: tcp://192.0.2.1:1883
target: gw-1
credentialsSecret: login
uid: uid-there
clusters: [elsewhere]
endpoints: {users: "http://a", things: "http://a", auth: "", access: "", mqtt: "tcp://a:1883"}
steps: [{name: Credentials, state: Done, time: "2026-01-01T00:00:00Z"}, {name: User, state: Done}]
conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}]
attachment: {state: Attached}
attachments: {gw-1.iot: {host: gw-1, server: iot, state: Attached, identity: i, channel: c}}
update: {state: Trying, digest: d, since: "2026-01-01T00:00:00Z", generation: 2, message: m}
)");
}

Json CustomGateway() {
  return Object("IotGateway", "press",
                {{"slice", "north"},
                 {"profile", "custom"},
                 {"target", {{"host", "gw-1"}}},
                 {"attachTo", "iot"},
                 {"update", {{"strategy", "hand-over"}, {"rollbackAfter", "5m"}}},
                 {"images", {{"a", "a:2"}}},
                 {"imagePullSecrets", Json::array({"more"})},
                 {"suspended", false},
                 {"template", Template()}},
                Status());
}

Json ProfileGateway() {
  return Object(
      "IotGateway", "press",
      {{"slice", "north"},
       {"profile", "edgex-4.0-full"},
       {"deviceService", "modbus"},
       {"serialDevice", "/dev/ttyUSB0"},
       {"target",
        {{"node", "gw-1"}, {"targetCondition", "tags.a = 'b'"}, {"placement", "worst-fit"}, {"hosts", 2}}},
       {"attachTo", "iot"},
       {"dataPath", "/data"},
       {"devicePort", 1883},
       {"images", {{"postgres", "p:2"}}},
       {"imagePullSecrets", Json::array({"more"})},
       {"suspended", false}},
      Status());
}

Json Server() {
  return Object("IotServer", "iot",
                {{"slice", "north"},
                 {"profile", "mainflux-classic"},
                 {"target", {{"host", "gw-1"}}},
                 {"createUser", true},
                 {"suspended", false},
                 {"dataPath", "/data"},
                 {"url", "http://a"},
                 {"endpoints", {{"users", "http://a"}, {"mqtt", "tcp://a"}}},
                 {"ports", {{"mqtt", 1883}}},
                 {"images", {{"postgres", "p:2"}}},
                 {"imagePullSecrets", Json::array({"more"})},
                 {"credentialsSecret", "login"}},
                Status());
}

Json Device() {
  return Object("IotDevice", "oven",
                {{"gateway", "press"},
                 {"protocol", "mqtt"},
                 {"protocolProperties", {{"CommandTopic", "t"}}},
                 {"labels", Json::array({"hot"})},
                 {"locked", false},
                 {"resources", Json::array({Json({{"name", "temperature"},
                                                  {"valueType", "Float64"},
                                                  {"readWrite", "R"},
                                                  {"interval", "5s"},
                                                  {"attributes", {{"a", "b"}}}})})}},
                Status());
}

Json Slice() {
  return Object("IotSlice", "north",
                {{"namespace", "north"},
                 {"quota", {{"pods", 5}, {"memory", "1Gi"}}},
                 {"edge", {{"cluster", "here"}, {"nodes", Json::array({"gw-1"})}}},
                 {"cloud", {{"cluster", "elsewhere"}, {"node", "gw-1"}}}},
                Status());
}

Json Cluster() {
  return Object("IotCluster", "elsewhere", {{"role", "cloud"}, {"kubeconfigSecret", "c"}}, Status());
}

/// One controller, without the net that the engine spreads below all of them.
class BrokenObjectsTest : public testing::Test {
 protected:
  BrokenObjectsTest() {
    world_.Put(kube::kNamespaces, {{"metadata",
                                    {{"name", "north"},
                                     {"resourceVersion", "1"},
                                     {"labels", {{kHubLabel, "plant-7"}, {kSliceLabel, "north"}}}}}});
    world_.Put(
        kube::kNodes,
        {{"metadata", {{"name", "gw-1"}, {"resourceVersion", "1"}, {"labels", {{kHubLabel, "plant-7"}}}}}});
    world_.Put(kube::kEdgeHosts,
               {{"metadata", {{"name", "gw-1"}, {"namespace", "slicelet"}, {"resourceVersion", "1"}}}});
    for (const auto& [kind, object] : {std::pair(kube::kIotSlices, Slice()),
                                       {kube::kIotGateways, CustomGateway()},
                                       {kube::kIotServers, Server()},
                                       {kube::kIotDevices, Device()},
                                       {kube::kIotClusters, Cluster()}}) {
      world_.Put(kind, object);
    }
  }

  /// With the object as it is, suspended or on its way out too; and with it in the place of the sound one.
  void LookAtAll(const Controller& controller, const Json& sound) {
    int count = 0;
    for (const Mutation& mutation : MutationsOf(sound)) {
      Json broken = mutation.object;
      for (const bool deleted : {false, true}) {
        if (broken["metadata"].is_object() && deleted)
          broken["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
        try {
          (void)controller.At(world_, broken, {.now = now_});
          ++count;
        } catch (const std::exception& error) {
          ADD_FAILURE() << mutation.what << (deleted ? " (deleted)" : "") << ": " << error.what();
        }
      }
    }
    EXPECT_GT(count, 50 * kMutationsEach);
  }

  const WallTime now_ = *ParseTime("2026-01-02T00:00:00Z");
  World world_;
  SeededRandom random_{1};
};

GatewayAttachments NoAttachments(const Json& /*gateway*/) { return {}; }

TEST_F(BrokenObjectsTest, GatewaysOfATemplate) {
  LookAtAll(*MakeGatewayController(kSettings, random_, NoAttachments), CustomGateway());
}

TEST_F(BrokenObjectsTest, GatewaysOfAProfile) {
  LookAtAll(*MakeGatewayController(kSettings, random_, NoAttachments), ProfileGateway());
}

/// The record is the gateway's own, and yet anybody who may write ConfigMaps can put something else there.
TEST_F(BrokenObjectsTest, RecordsOfRevisions) {
  const auto controller = MakeGatewayController(kSettings, random_, NoAttachments);
  Json gateway = CustomGateway();
  // What it holds is what runs.
  const Outcome now = controller->At(world_, gateway, {.now = now_});
  gateway["status"]["update"] = {
      {"state", "RolledBack"}, {"digest", now.status["update"]["digest"]}, {"generation", 2}};
  Json record = {{"metadata",
                  {{"name", RevisionRecordOf(gateway)},
                   {"namespace", "north"},
                   {"uid", "r"},
                   {"labels", {{kGatewayLabel, "press"}}}}},
                 {"data", {{"digest", "d"}}}};
  int version = 0;
  std::vector<Json> pods = {nullptr, "x", Json::array(), 5};
  for (const Mutation& mutation : MutationsOf(GatewayPod(gateway, kSettings, true)))
    pods.push_back(mutation.object);
  for (const Json& pod : pods) {
    record["metadata"]["resourceVersion"] = std::to_string(++version);
    record["data"]["pod"] = pod.dump();
    world_.Put(kube::kConfigMaps, record);
    EXPECT_NO_THROW((void)controller->At(world_, gateway, {.now = now_})) << pod;
  }
}

TEST_F(BrokenObjectsTest, Servers) {
  const UserReports users = [](const Json&) { return std::nullopt; };
  const auto controller = MakeServerController(kSettings, random_, users);
  LookAtAll(*controller, Server());
  Json external = Server();
  external["spec"]["profile"] = "external";
  LookAtAll(*controller, external);
}

TEST_F(BrokenObjectsTest, Devices) {
  LookAtAll(
      *MakeDeviceController(kSettings, [](const std::string&, const std::string&) { return std::nullopt; }),
      Device());
}

TEST_F(BrokenObjectsTest, Slices) {
  World there;
  there.Put(
      kube::kNamespaces,
      {{"metadata",
        {{"name", "north"}, {"resourceVersion", "1"}, {"labels", {{kSliceUidLabel, "uid-of-north"}}}}}});
  LookAtAll(*MakeSliceController(kSettings, [&](const std::string&) { return &there; }), Slice());
}

TEST_F(BrokenObjectsTest, Clusters) {
  LookAtAll(*MakeClusterController(kSettings, [](const std::string&) { return std::nullopt; }), Cluster());
}

/// What others are made of: a gateway's pod names servers and holds devices, a slice counts what is in it.
TEST_F(BrokenObjectsTest, ThoseThatOthersLookAt) {
  std::vector<std::unique_ptr<Controller>> controllers;
  controllers.push_back(MakeGatewayController(kSettings, random_, NoAttachments));
  controllers.push_back(MakeServerController(kSettings, random_, [](const Json&) { return std::nullopt; }));
  controllers.push_back(
      MakeDeviceController(kSettings, [](const std::string&, const std::string&) { return std::nullopt; }));
  controllers.push_back(MakeSliceController(
      kSettings, [](const std::string&) { return absl::UnavailableError("not reached"); }));
  const std::vector<std::pair<kube::Resource, Json>> sound = {{kube::kIotGateways, CustomGateway()},
                                                              {kube::kIotServers, Server()},
                                                              {kube::kIotDevices, Device()},
                                                              {kube::kIotSlices, Slice()},
                                                              {kube::kIotClusters, Cluster()}};
  int version = 100;
  for (const auto& [kind, object] : sound) {
    for (const std::string part : {"/spec", "/status"}) {
      for (Mutation& mutation : MutationsOf(object, part)) {
        mutation.object["metadata"]["resourceVersion"] = std::to_string(++version);
        world_.Put(kind, mutation.object);
        for (const auto& controller : controllers) {
          for (const auto& [name, other] : world_.All(controller->kind())) {
            EXPECT_NO_THROW((void)controller->At(world_, other, {.now = now_})) << kind.kind << mutation.what;
          }
          EXPECT_NO_THROW((void)controller->Concerned(world_, kind, mutation.object)) << mutation.what;
        }
      }
    }
    Json again = object;
    again["metadata"]["resourceVersion"] = std::to_string(++version);
    world_.Put(kind, again);
  }
}

TEST_F(ControllersTest, ATemplateOfWrongTypesIsRefusedByName) {
  MakeSlice();
  Advance();
  Json spec = {
      {"slice", "north"}, {"target", {{"host", "gw-1"}}}, {"profile", "custom"}, {"attachTo", "iot"}};
  spec["template"] = Template();
  Create(kube::kIotGateways, "north", "press", spec);
  Advance(seconds(5));
  ASSERT_THAT(Pods("north"), SizeIs(1));
  const std::string sound = kube::NameOf(Pods("north").front());
  for (const auto& [pointer, value, message] :
       {std::tuple(
            "/spec/containers/0/name", Json(5),
            "False TemplateInvalid: spec.template.spec.containers[0].name: is a number, where a text is "
            "needed: write it as in a Pod"),
        {"/spec/tolerations", Json::object(),
         "False TemplateInvalid: spec.template.spec.tolerations: is an object, where a list is needed: write "
         "it "
         "as in a Pod"}}) {
    Json changed = Get(kube::kIotGateways, "north", "press");
    changed["spec"]["template"] = Template();
    changed["spec"]["template"][Json::json_pointer(pointer)] = value;
    ASSERT_TRUE(server_.cluster().Update("test", {kube::kIotGateways, "north", "press", ""}, changed).ok());
    Advance(seconds(5));
    EXPECT_EQ(Condition(Get(kube::kIotGateways, "north", "press")), message);
    EXPECT_EQ(Get(kube::kIotGateways, "north", "press")["status"]["phase"], "Error");
    ASSERT_THAT(Pods("north"), SizeIs(1));
    EXPECT_EQ(kube::NameOf(Pods("north").front()), sound) << "what runs, runs on";
  }
  MakeGateway(Json::object(), "other");
  Advance();
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "north", "other")), StartsWith("True Ready"));
  // As good as before.
  Json mended = Get(kube::kIotGateways, "north", "press");
  mended["spec"]["template"] = Template();
  ASSERT_TRUE(server_.cluster().Update("test", {kube::kIotGateways, "north", "press", ""}, mended).ok());
  Advance(seconds(5));
  EXPECT_THAT(Condition(Get(kube::kIotGateways, "north", "press")),
              testing::Not(HasSubstr("TemplateInvalid")));
}

/// In a namespace that belongs to no slice.
TEST_F(ControllersTest, ABrokenGatewayOfAnybodyHoldsUpNobody) {
  CreateWith(kube::kNamespaces, "", "tenant", Json::object());
  Json spec = {
      {"slice", "north"}, {"target", {{"host", "gw-1"}}}, {"profile", "custom"}, {"attachTo", "iot"}};
  std::vector<std::string> errors;
  SetLogSink([&](LogLevel level, const std::string& line) {
    if (level == LogLevel::kError) errors.push_back(line);
  });
  const std::vector<Mutation> mutations = MutationsOf(Template());
  // Some of them; BrokenObjectsTest has all.
  for (std::size_t i = 0; i < mutations.size(); i += 131) {
    spec["template"] = mutations[i].object;
    Create(kube::kIotGateways, "tenant", "g" + std::to_string(i), spec);
  }
  Advance(seconds(30));
  SetLogSink(nullptr);
  EXPECT_THAT(errors, IsEmpty());
  for (const auto& gateway : server_.cluster().All(kube::kIotGateways)) {
    EXPECT_THAT(Condition(*gateway), StartsWith("False NotInASlice: ")) << *gateway;
  }
}

/// Throws at the objects that are so called.
class ThrowingController final : public Controller {
 public:
  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotSlices; }
  [[nodiscard]] Outcome At(const World& /*world*/, const Json& slice, const Look& look) const override {
    if (kube::TextAt(slice, {"spec", "namespace"}) == "broken") {
      ++*looks;
      (void)slice.at("spec").at("namespace").get<int>();
    }
    Plan plan(slice, look.failure, look.now);
    return plan.Finish("Ready", {"Ready", "is sound"});
  }
  [[nodiscard]] std::vector<ObjectName> Concerned(const World& /*world*/, const kube::Resource& /*of*/,
                                                  const Json& changed) const override {
    if (kube::TextAt(changed, {"spec", "namespace"}) == "broken") (void)changed.at("nowhere");
    return {};
  }
  std::shared_ptr<int> looks = std::make_shared<int>(0);
};

TEST_F(ControllersTest, WhatARuleDoesNotExpectOfOneObjectStaysThere) {
  engine_.reset();
  MakeSlice("a", {{"namespace", "broken"}});
  MakeSlice("b", {{"namespace", "sound"}});
  auto throwing = std::make_unique<ThrowingController>();
  const auto looks = throwing->looks;
  std::vector<std::unique_ptr<Controller>> controllers;
  controllers.push_back(std::move(throwing));
  Engine engine(loop_, clock_, random_, *controller_api_, {{.kind = kube::kIotSlices, .ns = "slicelet"}},
                std::move(controllers), [](const World&) { throw std::runtime_error("at all of them"); });
  engine.Start();
  loop_.Advance(seconds(2));
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "a")), HasSubstr("False NotUnderstood: "));
  EXPECT_THAT(Condition(Get(kube::kIotSlices, "slicelet", "a")), HasSubstr("type must be number"));
  EXPECT_EQ(Condition(Get(kube::kIotSlices, "slicelet", "b")), "True Ready: is sound");
  loop_.Advance(minutes(60));
  EXPECT_GT(*looks, 3) << "it is tried again";
  EXPECT_LT(*looks, 60) << "ever more slowly";
  Patch(kube::kIotSlices, "slicelet", "a", {{"spec", {{"namespace", "mended"}}}});
  loop_.Advance(seconds(2));
  EXPECT_EQ(Condition(Get(kube::kIotSlices, "slicelet", "a")), "True Ready: is sound");
}

}  // namespace
}  // namespace slicelet::provider
