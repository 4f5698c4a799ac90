#include "provider/controllers/gateways.h"

#include <utility>

#include "kube/object.h"
#include "provider/controllers/devices.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/secrets.h"
#include "provider/controllers/slices.h"
#include "provider/controllers/targets.h"

namespace slicelet::provider {
namespace {

constexpr char kCredentials[] = "Credentials";
constexpr int kPasswordBytes = 16;

class GatewayController final : public Controller {
 public:
  GatewayController(ControllerSettings settings, Random& random)
      : settings_(std::move(settings)), random_(random) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotGateways; }

  [[nodiscard]] Outcome At(const World& world, const Json& gateway, const Look& look) const override {
    const std::string ns = kube::NamespaceOf(gateway);
    if (OfAnotherHub(world, settings_, ns)) return {};
    Plan plan(gateway, look.failure, look.now);
    const std::vector<const Json*> pods = PodsOf(world, gateway, kGatewayLabel);
    const Json* settings = Owned(world, gateway, SettingsOf(gateway));
    const Json* devices = Owned(world, gateway, DevicesOf(gateway));
    plan.Set("target", TargetText(gateway["spec"]));
    plan.Set("devices", DevicesOfGateway(world, gateway).size());
    if (kube::BeingDeleted(gateway)) return Undo(plan, gateway, look, pods, settings, devices);

    plan.Check(SliceProblem(world, settings_, kube::TextAt(gateway, {"spec", "slice"}), ns));
    plan.Check(TargetProblem(world, settings_, kube::TextAt(gateway, {"spec", "slice"}),
                             gateway["spec"].value("target", Json::object())));
    plan.Hold(kind());
    if (HasProfile(gateway)) {
      MakeSecret(plan, look, kCredentials, kind(), gateway, DatabaseSecretOf(gateway), Labels(gateway),
                 [&]() -> Json { return {{"password", random_.Hex(kPasswordBytes)}}; });
      MakeConfigMap(plan, "Settings", gateway, SettingsOf(gateway), settings, CommonSettings());
    }
    MakeConfigMap(plan, "Devices", gateway, DevicesOf(gateway), devices, DeviceEntries(world, gateway));
    const bool suspended = gateway["spec"].value("suspended", false);
    const Json wanted = suspended ? Json() : GatewayPod(gateway, settings_);
    MakePod(plan, kind(), gateway, pods, wanted, look.now);
    if (!suspended) AwaitPod(plan, pods, RevisionOf(wanted));
    const bool whole = plan.complete();
    if (suspended && whole) {
      plan.Set("pods", Json::array());
      plan.Set("ready", "0/0");
      plan.Settle({"Suspended", "spec.suspended is true"});
    }
    Attachment(plan, gateway);
    return plan.Finish(PhaseOfPods(plan, gateway, pods, suspended && whole),
                       {"Ready", "all services are ready"});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    const std::string ns = kube::NamespaceOf(changed);
    if (of == kube::kPods || of == kube::kConfigMaps) {
      return {{ns, kube::TextAt(changed, {"metadata", "labels", kGatewayLabel})}};
    }
    if (of == kube::kIotDevices) return {{ns, kube::TextAt(changed, {"spec", "gateway"})}};
    std::vector<ObjectName> names;
    if (of == kube::kNamespaces) {
      for (const Json* gateway : world.In(kind(), kube::NameOf(changed)))
        names.push_back(NameIn(kind(), *gateway));
    }
    if (of == kube::kIotSlices || of == kube::kNodes || of == kube::kEdgeHosts) {
      for (const auto& [name, gateway] : world.All(kube::kIotGateways)) {
        if (of != kube::kIotSlices || kube::TextAt(gateway, {"spec", "slice"}) == kube::NameOf(changed)) {
          names.push_back(name);
        }
      }
    }
    return names;
  }

 private:
  /// The ConfigMap of that name if it is the gateway's own.
  static const Json* Owned(const World& world, const Json& gateway, const std::string& name) {
    const Json* found = world.Find(kube::kConfigMaps, kube::NamespaceOf(gateway), name);
    if (found == nullptr) return nullptr;
    const bool own = kube::TextAt(*found, {"metadata", "labels", kGatewayLabel}) == kube::NameOf(gateway);
    return own ? found : nullptr;
  }

  [[nodiscard]] Outcome Undo(Plan& plan, const Json& gateway, const Look& look,
                             const std::vector<const Json*>& pods, const Json* settings,
                             const Json* devices) const {
    if (GivenUp(gateway)) {
      // Kubernetes removes what it owns; a host that is never heard of again keeps its tombstones.
      plan.Release(kind());
      return plan.Finish("Terminating", {});
    }
    plan.Unmake("Pod", kube::kPods, pods.empty() ? nullptr : pods.front());
    plan.Unmake("Devices", kube::kConfigMaps, devices);
    plan.Unmake("Settings", kube::kConfigMaps, settings);
    if (HasProfile(gateway)) {
      UnmakeSecret(plan, look, kCredentials, gateway, DatabaseSecretOf(gateway));
    }
    plan.Release(kind());
    return plan.Finish("Terminating", {});
  }

  void MakeConfigMap(Plan& plan, const std::string& step, const Json& gateway, const std::string& name,
                     const Json* made, const Json& data) const {
    const Json* is = made == nullptr ? nullptr : kube::Find(*made, {"data"});
    const bool same = made != nullptr && (is == nullptr ? data.empty() : *is == data);
    plan.Make(step, same, "ConfigMap " + name, [&]() -> Write {
      if (made == nullptr) {
        return CreateOwned(kube::kConfigMaps, kube::NamespaceOf(gateway), name,
                           {{"metadata", {{"labels", Labels(gateway)}}}, {"data", data}}, kind(), gateway);
      }
      Json change = data;
      if (is != nullptr) {
        for (const auto& [key, value] : is->items()) {
          if (!data.contains(key)) change[key] = nullptr;
        }
      }
      return MergePatch(kube::kConfigMaps, *made, {{"data", change}});
    });
  }

  [[nodiscard]] Json Labels(const Json& gateway) const {
    return {{kHubLabel, settings_.hub_id},
            {kSliceLabel, kube::TextAt(gateway, {"spec", "slice"})},
            {kGatewayLabel, kube::NameOf(gateway)}};
  }

  static void Attachment(Plan& plan, const Json& gateway) {
    const std::string server = kube::TextAt(gateway, {"spec", "attachTo"});
    if (server.empty()) {
      plan.Set("attachment", nullptr);
      return;
    }
    plan.Set("attachment", {{"state", "Detached"}, {"server", server}});
    plan.Condition("Attached", "False",
                   {"AttachNotSupported", "spec.attachTo: this version of slicelet attaches no gateway"});
  }

  const ControllerSettings settings_;
  Random& random_;
};

}  // namespace

std::unique_ptr<Controller> MakeGatewayController(ControllerSettings settings, Random& random) {
  return std::make_unique<GatewayController>(std::move(settings), random);
}

}  // namespace slicelet::provider
