#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "common/base/file_system.h"
#include "common/base/testing/fake_clock.h"
#include "common/base/testing/sanitized.h"
#include "common/json/yaml.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"
#include "provider/attach/testing/fake_iot_server.h"
#include "provider/controllers/controllers.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/testing/fake_cluster_reader.h"
#include "provider/controllers/testing/fake_fleet.h"
#include "provider/controllers/testing/fake_mainflux.h"

namespace slicelet::provider {

/// Every point of a crash is tried; under a sanitizer some of them.
inline constexpr int kCrashStride = kSanitized ? 25 : 1;

/// What is at the addresses of one, and all others.
class IotServers : public HttpClient {
 public:
  IotServers(HttpClient& one, HttpClient& others) : one_(one), others_(others) {}
  void Send(const Request& request, Callback<Answer> done) override {
    const ServerAddress at = FakeIotServer::Address();
    for (const std::string& part : {at.users, at.things, at.auth, at.access}) {
      if (request.url.rfind(part + "/", 0) == 0) return one_.Send(request, std::move(done));
    }
    others_.Send(request, std::move(done));
  }

 private:
  HttpClient& one_;
  HttpClient& others_;
};

/// The controllers of hub "plant-7" on an API server in memory, with two hosts that have nodes. What the hub
/// and Kubernetes would do with what the controllers make is done by `Advance`.
class ControllersTest : public testing::Test {
 protected:
  ControllersTest()
      : clock_(loop_), random_(1), server_(loop_, clock_, random_), api_(server_.ApiAs("test")) {
    for (const char* host : {"gw-1", "gw-2"}) {
      Create(kube::kEdgeHosts, "slicelet", host, {{"approved", true}});
      CreateWith(kube::kNodes, "", host, {{"metadata", {{"labels", {{kHubLabel, "plant-7"}}}}}});
    }
    Start();
  }

  void Start() { StartWith(server_.ApiAs("provider")); }
  void StartWith(std::unique_ptr<kube::KubeApi> api) {
    controller_api_ = std::move(api);
    auto made = MakeControllers(
        {.hub_id = "plant-7", .ns = "slicelet", .taint_key = "slicelet.io/slice-node"}, loop_, clock_,
        random_, *controller_api_, servers_, clusters_,
        [this](const std::string& uid, const std::string& device) { return Says(uid, device); },
        [this](const std::string& ns, const std::string& prefix) {
          return ns == "north" ? fleet_.Report(prefix) : PlaceReport();
        },
        [this](const std::map<std::string, std::string>& slices) { slices_ = slices; });
    engine_ = std::move(made.engine);
    ways_ = std::move(made.ways);
    engine_->Start();
  }
  /// The process dies; a new one begins with nothing but what the API server holds.
  void Crash() {
    engine_.reset();
    controller_api_.reset();
    Start();
  }

  /// Time passes, and the others do their part: nodes get their labels, pods start and end.
  void Advance(Duration duration = std::chrono::seconds(60)) {
    const auto end = loop_.Now() + duration;
    while (loop_.Now() < end) AdvanceASecond();
    for (const kube::Resource& kind :
         {kube::kIotClusters, kube::kIotSlices, kube::kIotGateways, kube::kIotServers, kube::kIotDevices}) {
      for (const auto& object : server_.cluster().All(kind)) ExpectKnown(kind, *object);
    }
  }

  void AdvanceASecond() {
    loop_.Advance(std::chrono::seconds(1));
    OthersDoTheirPart();
  }

  /// The controllers die after their `at`th write from now on (0: never), `lost`: before its answer has come.
  /// `Live` is how time passes then.
  void CrashAfter(int at, bool lost) {
    writes_ = 0;
    server_.faults().after = [this, at, lost](const kube::KubeCall& call,
                                              const absl::Status& outcome) -> absl::Status {
      const bool write = call.verb == kube::Verb::kCreate || call.verb == kube::Verb::kPatch ||
                         call.verb == kube::Verb::kDelete;
      if (call.user != "provider" || !write || ++writes_ != at) return outcome;
      dying_ = true;
      return lost ? absl::UnavailableError("connection reset") : outcome;
    };
  }
  /// `life` with a crash after each of its writes up to `last`, whose answer came or was lost.
  void CrashAfterEachWrite(int last, const std::function<void(int at, bool lost)>& life) {
    for (int at = 1; at <= last; at += kCrashStride) {
      for (const bool lost : {false, true}) {
        SCOPED_TRACE("crash after write " + std::to_string(at) + (lost ? ", answer lost" : ""));
        life(at, lost);
        if (HasFailure()) return;
      }
    }
  }
  void Live(Duration duration) {
    for (const auto end = loop_.Now() + duration; loop_.Now() < end;) {
      if (TakeDeath()) Crash();
      AdvanceASecond();
    }
  }
  /// Whether they died of `CrashAfter` since the last look.
  bool TakeDeath() { return std::exchange(dying_, false); }

  /// An API server drops what the kind's schema does not know, and refuses what does not fit.
  static void ExpectKnown(const kube::Resource& kind, const Json& object) {
    static std::map<std::string, Json> schemas;
    Json& schema = schemas[kind.plural];
    if (schema.is_null()) {
      const auto text =
          MakeSystemFileSystem()->Read(std::string(SLICELET_CRDS) + "/" + kind.plural + ".yaml", 1U << 20U);
      ASSERT_TRUE(text.ok()) << text.status();
      const auto definition = ParseYaml(*text);
      ASSERT_TRUE(definition.ok()) << definition.status();
      schema = (*definition)["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    }
    if (object.contains("status")) ExpectKnown(schema["properties"]["status"], object["status"], "status");
  }
  static void ExpectKnown(const Json& schema, const Json& value, const std::string& path) {
    if (value.is_array()) {
      for (const Json& item : value) ExpectKnown(schema["items"], item, path + "[]");
    } else if (value.is_object()) {
      for (const auto& [member, inner] : value.items()) {
        if (schema.contains("additionalProperties")) {
          ExpectKnown(schema["additionalProperties"], inner, path + ".*");
          continue;
        }
        ASSERT_TRUE(schema.contains("properties") && schema["properties"].contains(member))
            << path << "." << member;
        std::string below = path;
        below.append(".").append(member);
        ExpectKnown(schema["properties"][member], inner, below);
      }
    } else if (value.is_string() && schema.contains("maxLength")) {
      EXPECT_LE(value.get_ref<const std::string&>().size(), schema["maxLength"].get<std::size_t>()) << path;
    }
  }

  void Create(const kube::Resource& kind, const std::string& ns, const std::string& name, const Json& spec) {
    CreateWith(kind, ns, name, {{"spec", spec}});
  }
  void CreateWith(const kube::Resource& kind, const std::string& ns, const std::string& name,
                  const Json& object) {
    const auto made = server_.cluster().Create("test", {kind, ns, name, ""}, object);
    ASSERT_TRUE(made.ok()) << made.status();
  }
  void Patch(const kube::Resource& kind, const std::string& ns, const std::string& name, const Json& patch,
             const std::string& subresource = "") {
    const auto made =
        server_.cluster().Patch("test", {kind, ns, name, subresource}, kube::PatchType::kMerge, patch);
    ASSERT_TRUE(made.ok()) << made.status();
  }
  void Delete(const kube::Resource& kind, const std::string& ns, const std::string& name) {
    const auto status = server_.cluster().Delete("test", {kind, ns, name, ""}, {});
    ASSERT_TRUE(status.ok()) << status;
  }
  /// null when there is none.
  [[nodiscard]] Json Get(const kube::Resource& kind, const std::string& ns, const std::string& name) {
    const kube::StoredObject found = server_.cluster().Peek(kind, ns, name);
    return found == nullptr ? Json() : *found;
  }
  [[nodiscard]] std::vector<Json> Pods(const std::string& ns) {
    std::vector<Json> pods;
    for (const auto& pod : server_.cluster().All(kube::kPods)) {
      if (kube::NamespaceOf(*pod) == ns) pods.push_back(*pod);
    }
    return pods;
  }

  /// "STATUS REASON: message" of a condition.
  static std::string Condition(const Json& object, const std::string& type = "Ready") {
    const Json* found = kube::ConditionOf(object, type);
    if (found == nullptr) return "none";
    return kube::TextAt(*found, {"status"}) + " " + kube::TextAt(*found, {"reason"}) + ": " +
           kube::TextAt(*found, {"message"});
  }
  /// "Namespace=Done Quota=Pending"
  static std::string Steps(const Json& object) {
    std::string text;
    const Json* steps = kube::Find(object, {"status", "steps"});
    if (steps == nullptr) return text;
    for (const Json& step : *steps) {
      text += (text.empty() ? "" : " ") + kube::TextAt(step, {"name"}) + "=" + kube::TextAt(step, {"state"});
    }
    return text;
  }

  void MakeSlice(const std::string& name = "north", const Json& spec = Json::object()) {
    Create(kube::kIotSlices, "slicelet", name, spec);
  }
  void MakeGateway(const Json& more = Json::object(), const std::string& name = "press") {
    Json spec = {{"slice", "north"},
                 {"target", {{"host", "gw-1"}}},
                 {"profile", "edgex-4.0-minimal"},
                 {"deviceService", "virtual"},
                 {"suspended", false}};
    spec.merge_patch(more);
    Create(kube::kIotGateways, "north", name, spec);
  }
  void MakeServer(const Json& more = Json::object(), const std::string& name = "iot") {
    Json spec = {{"slice", "north"},
                 {"target", {{"host", "gw-1"}}},
                 {"profile", "mainflux-classic"},
                 {"dialect", "mainflux-classic"},
                 {"createUser", false},
                 {"dataPath", "/data"},
                 {"suspended", false}};
    spec.merge_patch(more);
    Create(kube::kIotServers, "north", name, spec);
  }
  /// Secret "login", with which the server of others takes us.
  void MakeLogin() {
    CreateWith(kube::kSecrets, "north", "login",
               {{"stringData",
                 {{"email", FakeIotServer::Login().user}, {"password", FakeIotServer::Login().password}}}});
  }
  void MakeExternalServer(const std::string& name) {
    const ServerAddress at = FakeIotServer::Address();
    Create(kube::kIotServers, "north", name,
           {{"slice", "north"},
            {"profile", "external"},
            {"dialect", "mainflux-classic"},
            {"url", at.things},
            {"endpoints",
             {{"users", at.users}, {"auth", at.auth}, {"access", at.access}, {"mqtt", "tcp://iot:1883"}}},
            {"credentialsSecret", "login"}});
  }
  void MakeDevice(const Json& more = Json::object(), const std::string& name = "oven") {
    Json spec = {
        {"gateway", "press"},
        {"protocol", "virtual"},
        {"resources",
         Json::array({Json(
             {{"name", "temperature"}, {"valueType", "Float64"}, {"readWrite", "R"}, {"interval", "5s"}})})}};
    spec.merge_patch(more);
    Create(kube::kIotDevices, "north", name, spec);
  }

  SimLoop loop_;
  FakeClock clock_;
  SeededRandom random_;
  kube::MemoryApiServer server_;
  FakeMainflux mainflux_{loop_};
  std::unique_ptr<kube::KubeApi> api_;
  std::unique_ptr<kube::KubeApi> controller_api_;
  /// An IoT server that others run; at FakeIotServer::Address().
  FakeIotServer iot_{loop_};
  IotServers servers_{iot_, mainflux_};
  FakeClusterReader clusters_{loop_};
  std::map<std::string, std::string> slices_;
  /// IoT devices that core-metadata refuses, and why.
  std::map<std::string, std::string> refused_devices_;
  /// What core-data holds, by IoT device.
  std::map<std::string, HeldReadings> held_readings_;
  /// Pods do not end: their host is away.
  bool hosts_away_ = false;
  /// What exporters' probes say.
  bool exporter_publishes_ = true;
  /// The hosts behind node "fleet".
  FakeFleet fleet_;
  /// Pods that do not become Ready.
  std::set<std::string> broken_pods_;
  /// Containers of these images do not become Ready.
  std::set<std::string> broken_images_;
  std::unique_ptr<Engine> engine_;
  ClusterWays ways_;
  /// Since `CrashAfter`.
  int writes_ = 0;

 private:
  static bool IsExporter(const Json& container) { return container["name"] == kExporter; }
  /// Whether the host has told that it runs what the pod asks for now, and how it fares.
  [[nodiscard]] bool ImagesRun(const Json& pod) const {
    const Json& statuses = pod["status"]["containerStatuses"];
    const Json& containers = pod["spec"]["containers"];
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (statuses[i]["image"] != containers[i]["image"]) return false;
      if (IsExporter(containers[i]) && statuses[i]["ready"] != exporter_publishes_) return false;
    }
    return true;
  }

  [[nodiscard]] bool IsBroken(const Json& container) const {
    return broken_images_.count(container["image"].get<std::string>()) != 0;
  }

  /// As the hub that reads what hosts report.
  std::optional<DeviceReport> Says(const std::string& uid, const std::string& device) {
    for (const auto& pod : server_.cluster().All(kube::kPods)) {
      if (kube::UidOf(*pod) != uid || kube::TextAt(*pod, {"status", "phase"}) != "Running") continue;
      const std::string gateway = kube::TextAt(*pod, {"metadata", "labels", kGatewayLabel});
      const Json map = Get(kube::kConfigMaps, kube::NamespaceOf(*pod), gateway + "-devices");
      if (kube::TextAt(map, {"data", device + ".json"}).empty()) return std::nullopt;
      DeviceReport report{.applied = true};
      const auto refused = refused_devices_.find(device);
      if (refused != refused_devices_.end())
        report = {.applied = false, .reason = "ProfileRefused", .message = refused->second};
      if (const auto held = held_readings_.find(device); held != held_readings_.end())
        report.readings = held->second;
      return report;
    }
    return std::nullopt;
  }

  void OthersDoTheirPart() {
    for (const auto& [node, slice] : slices_) {
      if (kube::TextAt(Get(kube::kNodes, "", node), {"metadata", "labels", kSliceLabel}) == slice) continue;
      Patch(kube::kNodes, "", node, {{"metadata", {{"labels", {{kSliceLabel, slice}}}}}});
    }
    const auto publishes = [this](const std::string& host) {
      const Json keys = Get(kube::kSecrets, "north", "press-export-hosts");
      return exporter_publishes_ && !kube::TextAt(keys, {"data", host + ".SENML_PASSWORD"}).empty();
    };
    if (!fleet_.idle() && fleet_.Act(Pods("north"), publishes)) engine_->LookAround();
    for (const auto& pod : server_.cluster().All(kube::kPods)) {
      const std::string ns = kube::NamespaceOf(*pod);
      const std::string name = kube::NameOf(*pod);
      if (kube::BeingDeleted(*pod)) {
        if (hosts_away_) continue;
        kube::DeleteOptions now;
        now.grace_seconds = 0;
        ASSERT_TRUE(server_.cluster().Delete("test", {kube::kPods, ns, name, ""}, now).ok());
        continue;
      }
      std::string unready;
      for (const Json& container : (*pod)["spec"]["containers"]) {
        if (IsBroken(container)) unready += container["name"].get<std::string>();
      }
      const bool runs = Condition(*pod).rfind(unready.empty() ? "True" : "False", 0) == 0 && ImagesRun(*pod);
      if (runs || hosts_away_ || broken_pods_.count(name) != 0) continue;
      Json statuses = Json::array();
      for (const Json& container : (*pod)["spec"]["containers"]) {
        statuses.push_back(
            {{"name", container["name"]},
             {"ready", !IsBroken(container) && (!IsExporter(container) || exporter_publishes_)},
             {"restartCount", 0},
             {"image", container["image"]},
             {"imageID", "sha256:0"},
             {"state", {{"running", {{"startedAt", FormatTime(clock_.Now())}}}}}});
      }
      Patch(kube::kPods, ns, name,
            {{"status",
              {{"phase", "Running"},
               {"hostIP", "192.0.2.1"},
               {"containerStatuses", statuses},
               {"conditions",
                Json::array({Json({{"type", "Ready"},
                                   {"status", unready.empty() ? "True" : "False"},
                                   {"message", unready.empty() ? "" : "unready: " + unready}})})}}}},
            "status");
    }
  }

  bool dying_ = false;
};

}  // namespace slicelet::provider
