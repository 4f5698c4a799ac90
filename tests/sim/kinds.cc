// Users of slices, gateways, servers and devices.
#include "tests/sim/kinds.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "kube/object.h"
#include "provider/controllers/exporter.h"
#include "tests/sim/fleet.h"

namespace slicelet::sim {

using kube::Json;

namespace {

constexpr char kUser[] = "someone";
constexpr char kHubNamespace[] = "slicelet";
constexpr char kSlice[] = "north";
constexpr char kDeadHost[] = "gw-9";
constexpr const char* kGateways[] = {"press", "oven", "mill"};
constexpr const char* kServers[] = {"iot", "iot-2"};

std::string Service(std::uint64_t n) { return "registry.example/service:" + std::to_string(n % 3 + 1); }

Json Container(const std::string& name, const std::string& image, const std::string& version) {
  return {{"name", name},
          {"image", image},
          {"imagePullPolicy", "IfNotPresent"},
          {"env", Json::array({Json({{"name", "VERSION"}, {"value", version}})})}};
}

}  // namespace

Kinds::Kinds(Surroundings& around)
    : around_(around),
      upkeep_(around.loop, around.api, around.story, [this](const Json& pod) { OnPodDeleted(pod); }) {
  std::set<std::string> keys;
  for (const kube::Resource& kind :
       {kube::kIotSlices, kube::kIotGateways, kube::kIotServers, kube::kIotDevices})
    keys.insert(kube::MemoryCluster::CollectionKey(kind));
  around_.api.cluster().AddListener(
      [this, keys](const std::string& collection) { changed_ |= keys.contains(collection); });
}

void Kinds::Begin() { Create(kube::kIotSlices, kHubNamespace, kSlice, {{"spec", Json::object()}}); }

void Kinds::Create(const kube::Resource& kind, const std::string& ns, const std::string& name,
                   const Json& object) {
  around_.story.Tell("user: creates " + kind.kind + " " + name + " " + object.value("spec", Json()).dump());
  const auto created = around_.api.cluster().Create(kUser, {kind, ns, name, ""}, object);
  if (!created.ok())
    around_.story.Violate("the simulation can not create " + name + ": " + Message(created.status()));
}

void Kinds::Patch(const Json& object, const kube::Resource& kind, const Json& patch) {
  around_.story.Tell("user: changes " + kind.kind + " " + kube::NameOf(object) + " " + patch.dump());
  const auto changed = around_.api.cluster().Patch(
      kUser, {kind, kube::NamespaceOf(object), kube::NameOf(object), ""}, kube::PatchType::kMerge, patch);
  if (!changed.ok())
    around_.story.Violate("the simulation can not change " + kube::NameOf(object) + ": " +
                          Message(changed.status()));
}

void Kinds::Delete(const kube::Resource& kind, const Json& object) {
  around_.story.Tell("user: deletes " + kind.kind + " " + kube::NameOf(object));
  const auto status =
      around_.api.cluster().Delete(kUser, {kind, kube::NamespaceOf(object), kube::NameOf(object), ""}, {});
  if (!status.ok())
    around_.story.Violate("the simulation can not delete " + kube::NameOf(object) + ": " + Message(status));
}

std::vector<Json> Kinds::All(const kube::Resource& kind, bool also_deleted) const {
  std::vector<Json> all;
  for (const auto& object : around_.api.cluster().All(kind)) {
    if (also_deleted || !kube::BeingDeleted(*object)) all.push_back(*object);
  }
  return all;
}

bool Kinds::HasNamespace() const {
  const auto ns = around_.api.cluster().Peek(kube::kNamespaces, "", kSlice);
  return ns != nullptr && !kube::BeingDeleted(*ns) && !deleting_all_;
}

// ---- Servers

void Kinds::CreateServer(std::uint64_t pick) {
  const std::string name = kServers[pick % 2];
  auto& cluster = around_.api.cluster();
  if (!HasNamespace() || cluster.Peek(kube::kIotServers, kSlice, name) != nullptr) return;
  if (cluster.Peek(kube::kSecrets, kSlice, "login") == nullptr) {
    const auto login = provider::FakeIotServer::Login();
    Create(kube::kSecrets, kSlice, "login",
           {{"data", {{"email", Base64Encode(login.user)}, {"password", Base64Encode(login.password)}}}});
  }
  const auto at = provider::FakeIotServer::Address();
  Create(kube::kIotServers, kSlice, name,
         {{"spec",
           {{"slice", kSlice},
            {"profile", "external"},
            {"dialect", "mainflux-classic"},
            {"url", at.things},
            {"endpoints",
             {{"users", at.users}, {"auth", at.auth}, {"access", at.access}, {"mqtt", "tcp://iot:1883"}}},
            {"createUser", pick / 2 % 3 == 0},
            {"suspended", false},
            {"credentialsSecret", "login"}}}});
}

void Kinds::DeleteServer(std::uint64_t pick) {
  const auto servers = All(kube::kIotServers);
  if (!servers.empty()) Delete(kube::kIotServers, servers[pick % servers.size()]);
}

// ---- Gateways

Json Kinds::TargetOf(std::uint64_t pick) const {
  const bool dead = around_.api.cluster().Peek(kube::kEdgeHosts, kHubNamespace, kDeadHost) != nullptr;
  if (dead && pick % 3 == 1) return {{"host", kDeadHost}};
  if (around_.kind.fleet && pick % 4 == 0) {
    Json target = {{"node", kFleet}};
    const std::size_t condition = pick / 4 % FleetConditions().size();
    target["targetCondition"] = FleetConditions()[condition].text;
    return target;
  }
  return {{"host", "gw-" + std::to_string(pick / 4 % 3 + 1)}};
}

Json Kinds::ServerNameOf(std::uint64_t pick) const {
  // Mostly to the first: a server that is not there is one more thing to wait for.
  const char* const names[] = {kServers[0], kServers[0], kServers[1], nullptr};
  const char* name = names[pick % 4];
  return name == nullptr ? Json() : Json(name);
}

void Kinds::CreateGateway(std::uint64_t pick) {
  if (!HasNamespace()) return;
  std::string name;
  for (const char* one : kGateways) {
    if (name.empty() && around_.api.cluster().Peek(kube::kIotGateways, kSlice, one) == nullptr) name = one;
  }
  if (name.empty()) return;
  const std::string version = std::to_string(++made_);
  Json containers = Json::array({Container("core-metadata", Service(pick), version)});
  const Json server = ServerNameOf(pick / 3);
  if (!server.is_null() || pick / 12 % 2 == 0)
    containers.push_back(Container(provider::kExporter, "registry.example/export:1", version));
  Json spec = {{"slice", kSlice},
               {"profile", "custom"},
               {"deviceService", "virtual"},
               {"target", TargetOf(pick / 24)},
               {"template", {{"spec", {{"terminationGracePeriodSeconds", 5}, {"containers", containers}}}}},
               {"suspended", pick / 1'000 % 6 == 0}};
  if (!server.is_null()) spec["attachTo"] = server;
  if (pick / 6'000 % 2 == 0) spec["update"] = {{"strategy", "hand-over"}};
  Create(kube::kIotGateways, kSlice, name, {{"spec", spec}});
}

void Kinds::ChangeGateway(std::uint64_t pick) {
  const auto gateways = All(kube::kIotGateways);
  if (gateways.empty()) return;
  const Json& gateway = gateways[pick % gateways.size()];
  pick /= 4;
  Json spec = Json::object();
  Json containers = gateway["spec"]["template"]["spec"]["containers"];
  switch (pick % 9) {
    case 0:
    case 1:
      spec["suspended"] = !gateway["spec"].value("suspended", false);
      break;
    case 2:
    case 3:
      containers[0]["env"][0]["value"] = std::to_string(++made_);
      break;
    case 4:
      containers[0]["image"] = Service(pick / 9);
      break;
    case 5:
      spec["target"] = {{"host", nullptr}, {"node", nullptr}, {"targetCondition", nullptr}};
      spec["target"].update(TargetOf(pick / 9));
      break;
    case 6:
      spec["update"] = {{"strategy", kube::TextAt(gateway, {"spec", "update", "strategy"}) == "hand-over"
                                         ? "stop-first"
                                         : "hand-over"}};
      break;
    default:
      spec["attachTo"] = containers.size() == 1 ? Json() : ServerNameOf(pick / 9);
      break;
  }
  spec["template"] = {{"spec", {{"containers", containers}}}};
  Patch(gateway, kube::kIotGateways, {{"spec", spec}});
}

void Kinds::DeleteGateway(std::uint64_t pick) {
  const auto gateways = All(kube::kIotGateways);
  if (!gateways.empty()) Delete(kube::kIotGateways, gateways[pick % gateways.size()]);
}

void Kinds::DeleteGatewayInHand(std::uint64_t pick) {
  for (const Json& gateway : All(kube::kIotGateways)) {
    if (around_.iot->looked_for().ends_with(kube::UidOf(gateway))) return Delete(kube::kIotGateways, gateway);
  }
  DeleteGateway(pick);
}

void Kinds::RestoreServers() {
  for (const Json& gateway : All(kube::kIotGateways, true)) {
    const Json* records = kube::Find(gateway, {"status", "attachments"});
    if (records == nullptr) continue;
    for (const Json& record : *records) CreateServer(kube::TextAt(record, {"server"}) == kServers[0] ? 0 : 1);
  }
}

// ---- Devices and slices

void Kinds::CreateDevice(std::uint64_t pick) {
  if (!HasNamespace()) return;
  Create(kube::kIotDevices, kSlice, "sensor-" + std::to_string(++made_),
         {{"spec",
           {{"gateway", kGateways[pick % 3]},
            {"protocol", "virtual"},
            {"resources", Json::array({Json({{"name", "Temperature"}, {"valueType", "Float64"}})})}}}});
}

void Kinds::DeleteDevice(std::uint64_t pick) {
  const auto devices = All(kube::kIotDevices);
  if (!devices.empty()) Delete(kube::kIotDevices, devices[pick % devices.size()]);
}

void Kinds::ToggleSlice(std::uint64_t pick) {
  const auto south = around_.api.cluster().Peek(kube::kIotSlices, kHubNamespace, "south");
  if (south == nullptr) {
    if (deleting_all_) return;
    Create(kube::kIotSlices, kHubNamespace, "south",
           {{"spec", {{"edge", {{"nodes", Json::array({"gw-" + std::to_string(pick % 3 + 1)})}}}}}});
  } else if (!kube::BeingDeleted(*south)) {
    Delete(kube::kIotSlices, *south);
  }
}

bool Kinds::SliceEnds() const {
  const auto slice = around_.api.cluster().Peek(kube::kIotSlices, kHubNamespace, kSlice);
  return slice == nullptr || kube::BeingDeleted(*slice);
}

void Kinds::EndSlice(std::uint64_t /*pick*/) {
  if (!SliceEnds())
    Delete(kube::kIotSlices, *around_.api.cluster().Peek(kube::kIotSlices, kHubNamespace, kSlice));
}

// ---- A host that never appears

void Kinds::AddDeadHost(std::uint64_t /*pick*/) {
  // What a fleet's pods have to become is known for the hosts that there are.
  if (around_.kind.fleet || deleting_all_) return;
  if (around_.api.cluster().Peek(kube::kEdgeHosts, kHubNamespace, kDeadHost) != nullptr) return;
  Create(kube::kEdgeHosts, kHubNamespace, kDeadHost, {{"spec", {{"approved", true}}}});
}

bool Kinds::IsForDeadHost(const Truth::Pod& pod) const { return pod.node == kDeadHost; }

bool Kinds::RemoveDeadHost() {
  const auto host = around_.api.cluster().Peek(kube::kEdgeHosts, kHubNamespace, kDeadHost);
  if (host != nullptr) Delete(kube::kEdgeHosts, *host);
  // A restored API server may have lost the object alone.
  return host != nullptr || around_.api.cluster().Peek(kube::kNodes, "", kDeadHost) != nullptr;
}

void Kinds::DecommissionDeadHost(provider::Hub& hub) {
  v1::DecommissionNodeRequest request;
  request.set_node(kDeadHost);
  request.set_force(true);
  around_.story.Tell(std::string("operator: decommissions ") + kDeadHost);
  const absl::Status status = hub.DecommissionNode(request);
  if (!status.ok())
    around_.story.Violate(std::string("the operator can not decommission ") + kDeadHost + ": " +
                          Message(status));
  upkeep_.NodeGoes(kDeadHost);
}

void Kinds::DeleteAll(std::uint64_t pick) {
  deleting_all_ = true;
  std::vector<kube::Resource> kinds = {kube::kIotSlices, kube::kIotServers, kube::kIotGateways,
                                       kube::kIotDevices};
  for (; !kinds.empty(); pick /= 4) {
    const auto at = kinds.begin() + static_cast<std::ptrdiff_t>(pick % kinds.size());
    for (const Json& object : All(*at)) Delete(*at, object);
    kinds.erase(at);
  }
}

}  // namespace slicelet::sim
