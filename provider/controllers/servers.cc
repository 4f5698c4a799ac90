#include "provider/controllers/servers.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

constexpr char kExternal[] = "external";

/// "https://iot.example.com:8443/api" -> "iot.example.com"; what the schema takes has a scheme and a host.
std::string HostOf(const std::string& url) {
  const auto begin = url.find("://") + 3;
  return url.substr(begin, url.find_first_of(":/", begin) - begin);
}

class ServerController final : public Controller {
 public:
  explicit ServerController(ControllerSettings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotServers; }

  [[nodiscard]] Outcome At(const World& world, const Json& server, const Look& look) const override {
    const std::string ns = kube::NamespaceOf(server);
    if (OfAnotherHub(world, settings_, ns)) return {};
    Plan plan(server, look.failure, look.now);
    plan.Set("gateways", Gateways(world, server));
    plan.Check(SliceProblem(world, settings_, kube::TextAt(server, {"spec", "slice"}), ns));
    const bool external = kube::TextAt(server, {"spec", "profile"}) == kExternal;
    if (!external) {
      plan.Check(
          Finding{"ProfileNotSupported",
                  "spec.profile: this version of slicelet runs no server: give profile external and url"});
    }
    if (external) {
      plan.Set("url", kube::TextAt(server, {"spec", "url"}));
      plan.Set("mqtt", MqttAddressOf(server));
    }
    plan.Await("Adopted", plan.complete(), plan.complete() ? "run by others" : "");
    return plan.Finish(plan.complete() ? "Ready" : "Error",
                       {"Adopted", "run by others at " + kube::TextAt(server, {"spec", "url"})});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    std::vector<ObjectName> names;
    if (of == kube::kIotGateways) {
      const std::string server = kube::TextAt(changed, {"spec", "attachTo"});
      if (!server.empty()) names.push_back({kube::NamespaceOf(changed), server});
    }
    if (of == kube::kNamespaces) {
      for (const Json* server : world.In(kind(), kube::NameOf(changed)))
        names.push_back(NameIn(kind(), *server));
    }
    if (of == kube::kIotSlices) {
      for (const auto& [name, server] : world.All(kind())) {
        if (kube::TextAt(server, {"spec", "slice"}) == kube::NameOf(changed)) names.push_back(name);
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

  const ControllerSettings settings_;
};

}  // namespace

std::string MqttAddressOf(const Json& server) {
  const std::string own = kube::TextAt(server, {"spec", "endpoints", "mqtt"});
  return own.empty() ? "tcp://" + HostOf(kube::TextAt(server, {"spec", "url"})) + ":1883" : own;
}

std::unique_ptr<Controller> MakeServerController(ControllerSettings settings) {
  return std::make_unique<ServerController>(std::move(settings));
}

}  // namespace slicelet::provider
