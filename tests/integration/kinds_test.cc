// The kinds of slicelet.io/v1alpha1 on a real API server: what their schemas take, fill in and refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/json/yaml.h"
#include "kube/object.h"
#include "kube/testing/control_plane.h"
#include "tests/integration/kinds_cases.h"

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

TEST_F(KindsTest, SpecsAreTakenOrRefusedByField) {
  std::vector<KindCase> cases = WrongTypesAndSizes();
  for (KindCase& rule : Rules()) cases.push_back(std::move(rule));
  for (KindCase& rule : ModbusRules()) cases.push_back(std::move(rule));
  for (const KindCase& c : cases) {
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
  const auto ports = Create(kIotServers, {{"slice", "north"}, {"ports", {{"mqtt", 2883}}}});
  ASSERT_TRUE(ports.ok()) << ports.status();
  EXPECT_EQ((*ports)["spec"]["ports"],
            Json::parse(R"({"users":8180,"things":8182,"auth":8189,"access":8989,"mqtt":2883})"));
  const auto update =
      Create(kIotGateways,
             {{"slice", "north"}, {"target", {{"host", "gw-1"}}}, {"update", {{"rollbackAfter", "10m"}}}});
  ASSERT_TRUE(update.ok()) << update.status();
  EXPECT_EQ((*update)["spec"]["update"], Json::parse(R"({"strategy":"stop-first","rollbackAfter":"10m"})"));
  const auto host = Create(kEdgeHosts, Json::object());
  ASSERT_TRUE(host.ok()) << host.status();
  EXPECT_EQ((*host)["spec"], Json::parse(R"({"approved":false,"revoked":false,"maintenance":false})"));
  const auto cluster = Create(kIotClusters, LeastSpec(kIotClusters));
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ((*cluster)["spec"], LeastSpec(kIotClusters)) << "nothing is filled in";
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
      {kIotGateways, {{"dataPath", "/srv/gateways"}}, {{"dataPath", "/srv/other"}}},
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
    // A host is what it is: nothing is made for it.
    if (kind == kEdgeHosts) status.erase("steps");
    const auto written = Patch(kind, NameOf(*created), {{"status", status}}, "status");
    ASSERT_TRUE(written.ok()) << written.status();
    EXPECT_EQ((*written)["status"], status);
    if (kind == kEdgeHosts) {
      status["conditions"][0]["status"] = "Perhaps";
    } else {
      status["steps"][0]["state"] = "Walking";
    }
    EXPECT_TRUE(
        absl::IsFailedPrecondition(Patch(kind, NameOf(*created), {{"status", status}}, "status").status()));
  }
}

}  // namespace
}  // namespace slicelet::kube
