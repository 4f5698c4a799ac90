#include "provider/controllers/servers.h"

#include <algorithm>
#include <utility>

#include "kube/object.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

constexpr char kExternal[] = "external";

std::string WithoutSlash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

bool IsExternal(const Json& server) { return kube::TextAt(server, {"spec", "profile"}) == kExternal; }

class ServerController final : public Controller {
 public:
  ServerController(const ControllerSettings& settings, Random& random, const UserReports& users)
      : settings_(settings), users_(users), classic_(settings, random, users) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotServers; }

  [[nodiscard]] Outcome At(const World& world, const Json& server, const Look& look) const override {
    const std::string ns = kube::NamespaceOf(server);
    if (OfAnotherHub(world, settings_, ns)) return {};
    Plan plan(server, look.failure, look.now);
    plan.Set("gateways", Gateways(world, server));
    if (kube::BeingDeleted(server)) {
      if (!GivenUp(server)) {
        plan.Guard(InUse(world, server));
        if (!IsExternal(server)) classic_.Undo(plan, world, server, look);
      } else if (!IsExternal(server)) {
        // Kubernetes removes what it owns; a host that is never heard of again keeps its tombstones. Not so
        // Secrets: one of the same name may need its own before that.
        classic_.UndoSecrets(plan, server, look);
      }
      plan.Release(kind());
      return plan.Finish("Terminating", {});
    }
    plan.Check(SliceProblem(world, settings_, kube::TextAt(server, {"spec", "slice"}), ns));
    if (!IsExternal(server)) return classic_.Make(plan, world, server, look);
    plan.Hold(kind());
    plan.Set("url", kube::TextAt(server, {"spec", "url"}));
    plan.Set("mqtt", MqttAddressOf(server));
    plan.Set("endpoints", EndpointsOf(server));
    plan.Set("credentialsSecret", kube::TextAt(server, {"spec", "credentialsSecret"}));
    plan.Await("Adopted", plan.complete(), plan.complete() ? "run by others" : "");
    AwaitLogin(plan, server, users_);
    AwaitUser(plan, server, users_);
    return plan.Finish(PhaseOfPods(plan, server, {}, false),
                       {"Adopted", "run by others at " + kube::TextAt(server, {"spec", "url"})});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    std::vector<ObjectName> names;
    if (of == kube::kIotGateways || of == kube::kNamespaces) {
      // It may have been attached to any of its namespace.
      const std::string ns = of == kube::kNamespaces ? kube::NameOf(changed) : kube::NamespaceOf(changed);
      for (const Json* server : world.In(kind(), ns)) names.push_back(NameIn(kind(), *server));
    }
    if (of == kube::kPods) {
      names.push_back(
          {kube::NamespaceOf(changed), kube::TextAt(changed, {"metadata", "labels", kServerLabel})});
    }
    if (of == kube::kIotSlices || of == kube::kNodes || of == kube::kEdgeHosts) {
      for (const auto& [name, server] : world.All(kind())) {
        if (of != kube::kIotSlices || kube::TextAt(server, {"spec", "slice"}) == kube::NameOf(changed)) {
          names.push_back(name);
        }
      }
    }
    return names;
  }

 private:
  static int Gateways(const World& world, const Json& server) {
    int count = 0;
    for (const Json* gateway : world.In(kube::kIotGateways, kube::NamespaceOf(server))) {
      const bool named = kube::TextAt(*gateway, {"spec", "attachTo"}) == kube::NameOf(server);
      if (named && kube::TextAt(*gateway, {"status", "attachment", "state"}) == "Attached") ++count;
    }
    return count;
  }

  /// What is at the server for gateways, or is about to be, could be removed by nobody without it.
  static std::optional<Finding> InUse(const World& world, const Json& server) {
    std::string users;
    for (const Json* gateway : world.In(kube::kIotGateways, kube::NamespaceOf(server))) {
      if (UsesServer(*gateway, kube::NameOf(server)))
        users += (users.empty() ? "" : ", ") + kube::NameOf(*gateway);
    }
    if (users.empty()) return std::nullopt;
    return Finding{"InUse", "gateways are attached to it, or are to be: " + users +
                                ": change their spec.attachTo first, or annotate this server with " +
                                kGiveUp + ": \"true\" to leave behind what it holds of them"};
  }

  const ControllerSettings settings_;
  const UserReports users_;
  const ClassicServer classic_;
};

}  // namespace

std::string HostOfUrl(const std::string& url) {
  const auto scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find_first_of(":/", begin) - begin);
}

bool UsesServer(const Json& gateway, const std::string& server) {
  if (!kube::BeingDeleted(gateway) && kube::TextAt(gateway, {"spec", "attachTo"}) == server) return true;
  const Json* records = kube::Find(gateway, {"status", "attachments"});
  if (records == nullptr || !records->is_object()) return false;
  return std::any_of(records->begin(), records->end(),
                     [&](const Json& record) { return kube::TextAt(record, {"server"}) == server; });
}

std::string MqttAddressOf(const Json& server) {
  const std::string own = kube::TextAt(server, {"spec", "endpoints", "mqtt"});
  if (own.empty()) return "tcp://" + HostOfUrl(kube::TextAt(server, {"spec", "url"})) + ":1883";
  const auto host = own.find("://") + 3;
  std::string address = own.substr(0, own.find('/', host));
  if (address.find(':', host) != std::string::npos) return address;
  return address + (own.rfind("ssl", 0) == 0 ? ":8883" : ":1883");
}

Json EndpointsOf(const Json& server) {
  const std::string url = WithoutSlash(kube::TextAt(server, {"spec", "url"}));
  // All of them: a patch would leave what is not named.
  Json endpoints = {{"users", url}, {"things", url}, {"auth", ""}, {"access", ""}};
  for (const char* part : {"users", "things", "auth", "access"}) {
    const std::string own = WithoutSlash(kube::TextAt(server, {"spec", "endpoints", part}));
    if (!own.empty()) endpoints[part] = own;
  }
  endpoints["mqtt"] = MqttAddressOf(server);
  return endpoints;
}

std::unique_ptr<Controller> MakeServerController(const ControllerSettings& settings, Random& random,
                                                 const UserReports& users) {
  return std::make_unique<ServerController>(settings, random, users);
}

}  // namespace slicelet::provider
