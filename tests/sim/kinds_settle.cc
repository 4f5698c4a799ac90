// What the controllers have to have made of everything when it is quiet.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"
#include "provider/controllers/controllers.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/settings.h"
#include "tests/sim/fleet.h"
#include "tests/sim/kinds.h"

namespace slicelet::sim {

using kube::Json;

namespace {

std::string Phase(const Json& object) { return kube::TextAt(object, {"status", "phase"}); }

std::string Why(const Json& object) {
  const Json* conditions = kube::Find(object, {"status", "conditions"});
  return conditions == nullptr ? " and says nothing" : ": " + conditions->dump();
}

std::string Image(const Json& pod, const std::string& container) {
  for (const Json& one : pod["spec"]["containers"]) {
    if (one["name"] == container) return one["image"];
  }
  return "";
}

Json VersionOf(const Json& spec) { return spec["containers"][0]["env"][0]["value"]; }

}  // namespace

void Kinds::Compare(std::vector<std::string>& out) {
  if (deleting_all_) return CompareLeftovers(out);
  CompareSlices(out);
  // What is in a slice that ends stays as it is.
  if (SliceEnds()) return;
  for (const Json& gateway : All(kube::kIotGateways, true)) CompareGateway(gateway, out);
  for (const Json& server : All(kube::kIotServers, true)) CompareServer(server, out);
}

void Kinds::CompareSlices(std::vector<std::string>& out) {
  for (const Json& slice : All(kube::kIotSlices, true)) {
    if (kube::BeingDeleted(slice)) {
      const std::string why = Why(slice);
      if (why.find("InUse") == std::string::npos)
        out.push_back("slice " + kube::NameOf(slice) + " is still there" + Why(slice));
    } else if (Phase(slice) != "Ready") {
      out.push_back("slice " + kube::NameOf(slice) + " is " + Phase(slice) + Why(slice));
    }
  }
}

std::vector<Json> Kinds::PodsOf(const Json& gateway) const {
  std::vector<Json> pods;
  for (const Json& pod : All(kube::kPods, true)) {
    if (kube::NamespaceOf(pod) == kube::NamespaceOf(gateway) &&
        kube::TextAt(pod, {"metadata", "labels", provider::kGatewayLabel}) == kube::NameOf(gateway))
      pods.push_back(pod);
  }
  return pods;
}

std::optional<std::set<std::string>> Kinds::HostsOf(const Json& gateway) const {
  const std::string host = kube::TextAt(gateway, {"spec", "target", "host"});
  const std::string node = host.empty() ? kFleet : host;
  // The host may have been removed.
  if (!host.empty() && around_.api.cluster().Peek(kube::kEdgeHosts, "slicelet", host) == nullptr)
    return std::nullopt;
  for (const Json& slice : All(kube::kIotSlices)) {
    const Json* named = kube::Find(slice, {"spec", "edge", "nodes"});
    if (named != nullptr && std::find(named->begin(), named->end(), Json(node)) != named->end())
      return std::nullopt;
  }
  if (!host.empty()) return std::set<std::string>{host};
  std::set<std::string> hosts;
  const std::string text = kube::TextAt(gateway, {"spec", "target", "targetCondition"});
  for (const FleetCondition& condition : FleetConditions()) {
    if (text != condition.text) continue;
    for (const Json& one : All(kube::kEdgeHosts)) {
      if (condition.matches(kube::NameOf(one), TagsOf(one))) hosts.insert(kube::NameOf(one));
    }
  }
  return hosts;
}

void Kinds::CompareGateway(const Json& gateway, std::vector<std::string>& out) {
  const std::string who = "gateway " + kube::NameOf(gateway);
  const auto pods = PodsOf(gateway);
  if (kube::BeingDeleted(gateway)) return out.push_back(who + " is still there" + Why(gateway));
  const auto hosts = HostsOf(gateway);
  const bool suspended = gateway["spec"].value("suspended", false);
  const bool nowhere = !suspended && hosts && hosts->empty();
  // The former pod of a hand-over runs on while there is no host for the next.
  const bool kept = nowhere && HandsOver(gateway) && pods.size() == 2;
  if (pods.size() != (suspended ? 0U : 1U) && (suspended || hosts) && !kept)
    out.push_back(who + " has " + std::to_string(pods.size()) + " pods");
  // What can not be is not made so, and what is stays.
  if (!hosts) {
    if (Phase(gateway) != "Error" && !suspended)
      out.push_back(who + " is " + Phase(gateway) + ", and can not run on its target");
    return;
  }
  const std::string wanted = suspended ? "Suspended" : "Ready";
  if (!nowhere && Phase(gateway) != wanted)
    out.push_back(who + " is " + Phase(gateway) + ", not " + wanted + Why(gateway));
  std::vector<std::string> others;
  for (const Json& pod : pods) {
    const Json& asked = gateway["spec"]["template"]["spec"];
    if (VersionOf(pod["spec"]) != VersionOf(asked))
      others.push_back(who + " runs another revision");
    else if (Image(pod, "core-metadata") != asked["containers"][0]["image"].get<std::string>())
      others.push_back(who + " runs image " + Image(pod, "core-metadata"));
  }
  if (kept && others.size() <= 1) return;
  out.insert(out.end(), others.begin(), others.end());
  CompareAttachments(gateway, out);
  CompareDevices(gateway, !suspended && !nowhere, out);
}

void Kinds::CompareAttachments(const Json& gateway, std::vector<std::string>& out) {
  const std::string who = "gateway " + kube::NameOf(gateway);
  const std::string server = kube::TextAt(gateway, {"spec", "attachTo"});
  const auto object = around_.api.cluster().Peek(kube::kIotServers, kube::NamespaceOf(gateway), server);
  // One that ends keeps what it has, and takes nothing new.
  if (object != nullptr && kube::BeingDeleted(*object)) return;
  std::set<std::string> hosts = *HostsOf(gateway);
  const bool suspended = gateway["spec"].value("suspended", false);
  const bool fleet = kube::TextAt(gateway, {"spec", "target", "host"}).empty();
  // Without a pod nobody has decided which of a fleet's hosts it is for: what there is stays.
  if (fleet && suspended) return;
  const bool attaches = object != nullptr;
  if (!attaches) hosts.clear();
  const std::string state = kube::TextAt(gateway, {"status", "attachment", "state"});
  if (attaches && !hosts.empty() && state != "Attached")
    out.push_back(who + " is " + (state.empty() ? "not attached" : state) + Why(gateway));
  const Json* stored = kube::Find(gateway, {"status", "attachments"});
  const Json records = stored == nullptr ? Json::object() : *stored;
  std::set<std::string> names, recorded;
  for (const std::string& host : hosts) names.insert(host + "." + server);
  for (const auto& [name, record] : records.items()) recorded.insert(name);
  if (names != recorded) out.push_back(who + " has records " + records.dump());
  const std::string uid = kube::UidOf(gateway);
  if (!forgotten_.contains(uid)) {
    for (const auto& [id, thing] : around_.iot->server().things()) {
      const bool own = thing.name.ends_with("." + uid);
      const bool wanted = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return thing.name == "iotgateway-" + kube::NameOf(gateway) + "." + name + "." + uid;
      });
      if (own && !wanted) out.push_back(who + ": thing " + thing.name + " is left");
    }
  }
  for (const std::string& host : hosts) CompareAtServer(gateway, host, server, out);
  const bool per_host = fleet;
  for (const bool form : {false, true}) {
    const auto secret = around_.api.cluster().Peek(kube::kSecrets, kube::NamespaceOf(gateway),
                                                   provider::ExportSecretOf(gateway, form));
    const bool wanted = !hosts.empty() && form == per_host;
    if ((secret != nullptr) != wanted && !(secret != nullptr && forgotten_.contains(uid)))
      out.push_back(who + (wanted ? " has no" : " still has a") + " Secret " +
                    provider::ExportSecretOf(gateway, form));
  }
}

void Kinds::CompareAtServer(const Json& gateway, const std::string& host, const std::string& server,
                            std::vector<std::string>& out) {
  const std::string name =
      "iotgateway-" + kube::NameOf(gateway) + "." + host + "." + server + "." + kube::UidOf(gateway);
  provider::FakeIotServer& iot = around_.iot->server();
  std::vector<std::string> things, channels;
  for (const auto& [id, thing] : iot.things()) {
    if (thing.name == name) things.push_back(id);
  }
  for (const auto& [id, one] : iot.channels()) {
    if (one == name) channels.push_back(id);
  }
  if (things.size() != 1 || channels.size() != 1 || !iot.connections().contains({channels[0], things[0]})) {
    return out.push_back(std::to_string(things.size()) + " things and " + std::to_string(channels.size()) +
                         " channels are " + name + ", or they are not connected");
  }
  const Json* record = kube::Find(gateway, {"status", "attachments", host + "." + server});
  if (record == nullptr || kube::TextAt(*record, {"identity"}) != things[0] ||
      kube::TextAt(*record, {"channel"}) != channels[0])
    out.push_back("gateway " + kube::NameOf(gateway) + " has not recorded " + things[0] + " and " +
                  channels[0]);
}

void Kinds::CompareDevices(const Json& gateway, bool runs, std::vector<std::string>& out) {
  std::set<std::string> wanted, there;
  for (const Json& device : All(kube::kIotDevices)) {
    if (kube::TextAt(device, {"spec", "gateway"}) != kube::NameOf(gateway)) continue;
    wanted.insert(kube::NameOf(device) + ".json");
    if (runs && Phase(device) != "Registered")
      out.push_back("device " + kube::NameOf(device) + " is " + Phase(device) + Why(device));
  }
  const auto map =
      around_.api.cluster().Peek(kube::kConfigMaps, kube::NamespaceOf(gateway), provider::DevicesOf(gateway));
  if (map == nullptr) return out.push_back("gateway " + kube::NameOf(gateway) + " has no devices' ConfigMap");
  if (const Json* data = kube::Find(*map, {"data"})) {
    for (const auto& [name, text] : data->items()) there.insert(name);
  }
  if (wanted != there)
    out.push_back("gateway " + kube::NameOf(gateway) + " is told of other devices than it has");
}

void Kinds::CompareServer(const Json& server, std::vector<std::string>& out) {
  const std::string who = "server " + kube::NameOf(server);
  if (!kube::BeingDeleted(server)) {
    if (Phase(server) != "Ready") out.push_back(who + " is " + Phase(server) + Why(server));
    return;
  }
  for (const Json& gateway : All(kube::kIotGateways, true)) {
    if (kube::TextAt(gateway, {"spec", "attachTo"}) == kube::NameOf(server)) return;
    const Json* records = kube::Find(gateway, {"status", "attachments"});
    if (records == nullptr) continue;
    for (const Json& record : *records) {
      if (kube::TextAt(record, {"server"}) == kube::NameOf(server)) return;
    }
  }
  out.push_back(who + " is still there, and nobody uses it" + Why(server));
}

void Kinds::CompareLeftovers(std::vector<std::string>& out) {
  for (const kube::Resource& kind :
       {kube::kIotDevices, kube::kIotGateways, kube::kIotServers, kube::kIotSlices}) {
    for (const Json& object : All(kind, true))
      out.push_back(kind.kind + " " + kube::NameOf(object) + " is still there" + Why(object));
  }
  for (const kube::Resource& kind :
       {kube::kPods, kube::kConfigMaps, kube::kSecrets, kube::kResourceQuotas, kube::kNamespaces}) {
    for (const Json& object : All(kind, true)) {
      const bool of_lost =
          (kind.kind == kube::kNamespaces.kind || kind.kind == kube::kResourceQuotas.kind) &&
          lost_slices_.contains(kube::TextAt(object, {"metadata", "labels", provider::kSliceLabel}));
      if (!of_lost && kube::TextAt(object, {"metadata", "labels", provider::kHubLabel}) == kHubId)
        out.push_back(kind.kind + " " + kube::NameOf(object) + " is left");
    }
  }
  const auto is_left = [this](const std::string& name) {
    return !forgotten_.contains(name.substr(name.rfind('.') + 1));
  };
  for (const auto& [id, thing] : around_.iot->server().things()) {
    if (is_left(thing.name)) out.push_back("thing " + thing.name + " is left at the server");
  }
  for (const auto& [id, name] : around_.iot->server().channels()) {
    if (is_left(name)) out.push_back("channel " + name + " is left at the server");
  }
}

void Kinds::Tell() {
  for (const kube::Resource& kind :
       {kube::kIotSlices, kube::kIotServers, kube::kIotGateways, kube::kIotDevices, kube::kSecrets}) {
    for (const Json& object : All(kind, true))
      around_.story.Tell("api: " + kind.kind + " " + kube::NameOf(object) + " is " + object.dump());
  }
  for (const auto& [id, thing] : around_.iot->server().things())
    around_.story.Tell("iot server: " + id + " is " + thing.name);
  for (const auto& [id, name] : around_.iot->server().channels())
    around_.story.Tell("iot server: " + id + " is " + name);
}

}  // namespace slicelet::sim
