#include "provider/controllers/gateways.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/attachment_status.h"
#include "provider/controllers/devices.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/gateway_template.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/revisions.h"
#include "provider/controllers/secrets.h"
#include "provider/controllers/server_names.h"
#include "provider/controllers/servers.h"
#include "provider/controllers/slices.h"
#include "provider/controllers/targets.h"

#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

constexpr char kCredentials[] = "Credentials";
constexpr int kPasswordBytes = 16;
constexpr int kDigestLength = 16;

class GatewayController final : public Controller {
 public:
  GatewayController(ControllerSettings settings, Random& random, AttachReports attachments)
      : settings_(std::move(settings)), random_(random), attachments_(std::move(attachments)) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotGateways; }

  [[nodiscard]] Outcome At(const World& world, const Json& gateway, const Look& look) const override {
    const std::string ns = kube::NamespaceOf(gateway);
    if (OfAnotherHub(world, settings_, ns)) return {};
    Plan plan(gateway, look.failure, look.now);
    const std::vector<const Json*> pods = PodsOf(world, gateway, kGatewayLabel);
    plan.Set("target", TargetText(GetObject(gateway, "/spec")));
    plan.Set("devices", DevicesOfGateway(world, gateway).size());
    plan.Set("data", KeepsData(gateway) ? Json(DataPathOf(gateway)) : Json());
    if (kube::BeingDeleted(gateway)) return Undo(plan, world, gateway, look, pods);

    const auto outside = SliceProblem(world, settings_, kube::TextAt(gateway, {"spec", "slice"}), ns);
    plan.Check(outside);
    plan.Check(TargetProblem(world, settings_, kube::TextAt(gateway, {"spec", "slice"}),
                             GetObject(gateway, "/spec/target")));
    const auto invalid = TemplateInvalid(gateway);
    plan.Check(invalid);
    const bool suspended = GetBool(gateway, "/spec/suspended");
    // What is in no slice, or asks for no pod, is not looked into any further: but what runs is still shown.
    const bool asks = !suspended && !invalid && !(outside && pods.empty());
    const Json asked = asks ? GatewayPod(gateway, settings_, HasExporter(gateway, pods)) : Json();
    const Rollout rollout(
        gateway, asked, [&] { return DigestOf(gateway); }, Owned(world, gateway, RevisionRecordOf(gateway)),
        pods, look.now);
    plan.Check(rollout.problem());
    plan.Hold(kind());
    if (HasProfile(gateway)) {
      MakeSecret(plan, look, kCredentials, kind(), gateway, DatabaseSecretOf(gateway), Labels(gateway),
                 [&]() -> Json { return {{"password", random_.Hex(kPasswordBytes)}}; });
      MakeConfigMap(plan, world, "Settings", gateway, SettingsOf(gateway), CommonSettings());
    }
    MakeConfigMap(plan, world, "Devices", gateway, DevicesOf(gateway), DeviceEntries(world, gateway));
    RunPod(plan, world, gateway, pods, rollout, look.now);
    const bool whole = plan.complete();
    rollout.Tell(plan);
    if (suspended && whole) {
      plan.Set("pods", Json::array());
      plan.Set("ready", "0/0");
      plan.Settle({"Suspended", "spec.suspended is true"});
    }
    ShowAttachments(plan, world, gateway, attachments_(gateway), outside);
    const bool back = whole && rollout.state() == Rollout::State::kRolledBack;
    return plan.Finish(back ? "Degraded" : PhaseOfPods(plan, gateway, pods, suspended && whole),
                       {"Ready", "all services are ready"});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    const std::string ns = kube::NamespaceOf(changed);
    if (of == kube::kPods || of == kube::kConfigMaps) {
      return {{ns, kube::TextAt(changed, {"metadata", "labels", kGatewayLabel})}};
    }
    if (of == kube::kIotServers) {
      // All of them have it in their hosts files.
      std::vector<ObjectName> gateways;
      for (const Json* gateway : world.In(kind(), ns)) gateways.push_back(NameIn(kind(), *gateway));
      return gateways;
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

  [[nodiscard]] Outcome Undo(Plan& plan, const World& world, const Json& gateway, const Look& look,
                             const std::vector<const Json*>& pods) const {
    ShowAttachments(plan, {}, gateway, attachments_(gateway), std::nullopt);
    const Json* records = kube::Find(gateway, {"status", "attachments"});
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kReleaseAttached)) records = nullptr;
#endif
    const bool detached = records == nullptr || records->empty();
    if (GivenUp(gateway)) {
      // Kubernetes removes what it owns; a host that is never heard of again keeps its tombstones. Servers
      // that are there are asked once to take back what is theirs.
      if (!detached) plan.AwaitUndone("Attachment", false, "is being undone");
      // One of the same name may need its own before that.
      if (HasProfile(gateway)) UnmakeSecret(plan, look, kCredentials, gateway, DatabaseSecretOf(gateway));
      plan.Release(kind());
      return plan.Finish("Terminating", {});
    }
    if (const Json* record = Owned(world, gateway, RevisionRecordOf(gateway))) {
      plan.Unmake("Revision", kube::kConfigMaps, record);
    }
    plan.Unmake("Pod", kube::kPods, pods.empty() ? nullptr : pods.front());
    // Once nothing is sent any more.
    if (!detached) plan.AwaitUndone("Attachment", false, WhyNotDetached(attachments_(gateway)));
    plan.Unmake("Devices", kube::kConfigMaps, Owned(world, gateway, DevicesOf(gateway)));
    plan.Unmake("Settings", kube::kConfigMaps, Owned(world, gateway, SettingsOf(gateway)));
    if (HasProfile(gateway)) {
      UnmakeSecret(plan, look, kCredentials, gateway, DatabaseSecretOf(gateway));
    }
    plan.Release(kind());
    return plan.Finish("Terminating", {});
  }

  void MakeConfigMap(Plan& plan, const World& world, const std::string& step, const Json& gateway,
                     const std::string& name, const Json& data) const {
    const Json* made = Owned(world, gateway, name);
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

  /// Tells apart what the spec asks for; unlike a revision also images, and never what happens to run.
  [[nodiscard]] std::string DigestOf(const Json& gateway) const {
    const Json pod = GatewayPod(gateway, settings_, AttachServerOf(gateway).has_value());
    return HexEncode(Sha256(pod.dump()).value()).substr(0, kDigestLength);
  }

  /// The steps from its pod on.
  void RunPod(Plan& plan, const World& world, const Json& gateway, const std::vector<const Json*>& pods,
              const Rollout& rollout, WallTime now) const {
    Json wanted = rollout.pod();
    if (!wanted.is_null()) NameServers(world, kube::NamespaceOf(gateway), wanted);
    Following following{.hand_over = HandsOver(gateway)};
    const std::string revision = wanted.is_null() ? "" : RevisionOf(wanted);
    if (!wanted.is_null() && IsToldByAttachment(wanted)) {
      // Two exporters would be one client of the server: the former pod's sends until it is gone.
      const bool alone =
          std::ranges::all_of(pods, [&](const Json* pod) { return RevisionAnnotationOf(*pod) == revision; });
      for (Json& container : wanted["spec"]["containers"]) {
        if (kube::TextAt(container, {"name"}) != kExporter) continue;
        container["image"] = ExporterImage(gateway, alone && MaySend(gateway));
      }
      following.images[kExporter] = ExporterImage(gateway, MaySend(gateway));
    }
    MakePod(plan, kind(), gateway, pods, wanted, now, following);
    if (!wanted.is_null()) AwaitPod(plan, pods, revision);
    const Json record = rollout.Record();
    if (!record.is_null()) {
      MakeConfigMap(plan, world, "Revision", gateway, RevisionRecordOf(gateway), record);
    } else if (const Json* recorded = Owned(world, gateway, RevisionRecordOf(gateway))) {
      plan.Make("Revision", false, "", [&] { return DeleteOf(kube::kConfigMaps, *recorded); });
    }
    if (following.hand_over && !wanted.is_null()) EndFormerPods(plan, pods, revision);
  }

  const ControllerSettings settings_;
  Random& random_;
  const AttachReports attachments_;
};

}  // namespace

std::unique_ptr<Controller> MakeGatewayController(ControllerSettings settings, Random& random,
                                                  AttachReports attachments) {
  return std::make_unique<GatewayController>(std::move(settings), random, std::move(attachments));
}

}  // namespace slicelet::provider
