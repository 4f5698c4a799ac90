// What has to hold of the controllers' work at every moment.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/object.h"
#include "provider/controllers/settings.h"
#include "tests/sim/fleet.h"
#include "tests/sim/kinds.h"

namespace slicelet::sim {

using kube::Json;

namespace {

/// Until everybody surely knows of a change, when nothing is in the way.
constexpr Duration kSeen = std::chrono::seconds(30);
constexpr std::uint64_t kMillion = 1'000'000;

bool IsWrite(kube::Verb verb) {
  return verb == kube::Verb::kCreate || verb == kube::Verb::kUpdate || verb == kube::Verb::kPatch ||
         verb == kube::Verb::kDelete;
}

std::string Who(const Json& object) { return object.value("kind", "") + " " + kube::NameOf(object); }

}  // namespace

bool HandsOver(const Json& gateway) {
  return kube::TextAt(gateway, {"spec", "update", "strategy"}) == "hand-over";
}

// ---- The API server's hooks

absl::Status Kinds::BeforeCall(const kube::KubeCall& call) {
  const absl::Status admitted = upkeep_.Admit(call);
  if (!admitted.ok() || call.user != kControllersUser || !IsWrite(call.verb)) return admitted;
  ControllerFaults& faults = around_.controller_faults;
  // A dead process does nothing.
  if (faults.struck) return absl::UnavailableError("connection reset");
  if (faults.conflicts > 0 && call.verb == kube::Verb::kPatch &&
      around_.network.Below(kMillion) < faults.conflicts)
    return absl::AbortedError(
        "the object has been modified; please apply your changes to the latest version");
  if (faults.write.carried_out || !faults.write.Strikes()) return absl::OkStatus();
  around_.story.Tell("provider: dies of a write of " + call.ref.resource.kind + " " + call.ref.name +
                     ", which is never sent");
  faults.struck = true;
  return absl::UnavailableError("connection reset");
}

absl::Status Kinds::AfterCall(const kube::KubeCall& call, const absl::Status& outcome) {
  upkeep_.AfterCall(call, outcome);
  if (call.user != kControllersUser || !IsWrite(call.verb)) return absl::OkStatus();
  if (outcome.ok() && call.verb == kube::Verb::kCreate) CheckCreation(call);
  if (outcome.ok() && call.ref.resource == kube::kPods) {
    if (call.verb == kube::Verb::kCreate) OnPodCreated(call);
    if (call.verb == kube::Verb::kPatch) OnPodPatched(call);
    if (call.verb == kube::Verb::kDelete) {
      Json pod = {{"metadata", {{"namespace", call.ref.ns}, {"name", call.ref.name}}}};
      OnPodDeleted(pod);
    }
  }
  ControllerFaults& faults = around_.controller_faults;
  if (!faults.write.carried_out || !faults.write.Strikes()) return absl::OkStatus();
  around_.story.Tell("provider: dies of a write of " + call.ref.resource.kind + " " + call.ref.name +
                     ", which is carried out");
  faults.struck = true;
  return absl::UnavailableError("connection reset");
}

// ---- Pods that the controllers make

void Kinds::OnPodCreated(const kube::KubeCall& call) {
  const auto object = around_.api.cluster().Peek(kube::kPods, call.ref.ns, call.ref.name);
  const std::string owner = kube::TextAt(*object, {"metadata", "labels", provider::kGatewayLabel});
  Truth::Pod pod;
  pod.uid = kube::UidOf(*object);
  pod.ns = call.ref.ns;
  pod.name = call.ref.name;
  pod.node = kube::TextAt(*object, {"spec", "nodeName"});
  pod.policy = "Always";
  for (const Json& container : (*object)["spec"]["containers"])
    pod.images[container["name"]] = container["image"];
  if (IsForDeadHost(pod)) pod.outcome = Truth::Outcome::kPends;
  if (pod.node == kFleet) {
    const std::string text =
        kube::TextAt(*object, {"metadata", "annotations", "slicelet.io/target-condition"});
    const auto& all = FleetConditions();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return text == one.text; });
    pod.fleet.emplace().condition = static_cast<std::size_t>(found - all.begin());
  }
  const auto gateway = around_.api.cluster().Peek(kube::kIotGateways, call.ref.ns, owner);
  std::size_t others = 0;
  for (const auto& other : around_.api.cluster().All(kube::kPods)) {
    if (kube::NamespaceOf(*other) == call.ref.ns && kube::UidOf(*other) != pod.uid &&
        kube::TextAt(*other, {"metadata", "labels", provider::kGatewayLabel}) == owner)
      ++others;
  }
  around_.truth->Created(std::move(pod));
  if (gateway == nullptr || around_.loop.Now() < disturbed_until_) return;
  const auto since = stops_first_.find(kube::UidOf(*gateway));
  const bool hands_over =
      HandsOver(*gateway) || (since != stops_first_.end() && around_.loop.Now() - since->second < kSeen);
  // The former ones of a hand-over that was overtaken may still end.
  const bool two = hands_over && others > 0;
  if (others > 0 && !two)
    around_.story.Violate("pod " + call.ref.name + " is made beside " + std::to_string(others) +
                          " of the same gateway, which does not hand over");
}

void Kinds::OnPodPatched(const kube::KubeCall& call) {
  const auto object = around_.api.cluster().Peek(kube::kPods, call.ref.ns, call.ref.name);
  if (object == nullptr || !call.ref.subresource.empty()) return;
  const std::string uid = kube::UidOf(*object);
  const Truth::Pod* pod = around_.truth->Find(uid);
  if (pod == nullptr) return;
  const auto images = pod->images;
  for (const Json& container : (*object)["spec"]["containers"]) {
    const std::string name = container["name"], image = container["image"];
    const auto it = images.find(name);
    if (it == images.end() || it->second != image) around_.truth->ImageChanged(uid, name, image);
  }
}

void Kinds::OnPodDeleted(const Json& named) {
  for (const auto& [uid, pod] : around_.truth->pods()) {
    if (!pod.in_api || pod.name != kube::NameOf(named) || pod.ns != kube::NamespaceOf(named)) continue;
    // The API server removes what has ended at once.
    const bool ended = pod.phase == "Succeeded" || pod.phase == "Failed";
    if (!pod.deleting) around_.truth->DeletionAsked(uid, ended, around_.loop.Now());
    return;
  }
}

// ---- Slices that end

void Kinds::CheckCreation(const kube::KubeCall& call) {
  around_.story.Tell("controllers: make " + call.ref.resource.kind + " " + call.ref.name);
  const std::string slice =
      call.body == nullptr ? "" : kube::TextAt(*call.body, {"metadata", "labels", provider::kSliceLabel});
  const auto object = around_.api.cluster().Peek(kube::kIotSlices, "slicelet", slice);
  if (object == nullptr || !kube::BeingDeleted(*object)) return;
  // What is being attached may be attached.
  const auto gateway =
      around_.api.cluster().Peek(kube::kIotGateways, call.ref.ns,
                                 kube::TextAt(*call.body, {"metadata", "labels", provider::kGatewayLabel}));
  const Json* records = gateway == nullptr ? nullptr : kube::Find(*gateway, {"status", "attachments"});
  if (call.ref.resource == kube::kSecrets && records != nullptr && !records->empty()) return;
  const auto since = slice_ends_.find(kube::UidOf(*object));
  const auto now = around_.loop.Now();
  if (since == slice_ends_.end() || now - since->second < kSeen || now < disturbed_until_) return;
  around_.story.Violate(call.ref.resource.kind + " " + call.ref.name + " is made although slice " + slice +
                        " is being deleted");
}

// ---- Faults

void Kinds::Disturbed(Duration time) {
  disturbed_until_ = std::max(disturbed_until_, around_.loop.Now() + time + 2 * kSeen);
}

void Kinds::BeforeRestore() {
  records_.clear();
  for (const Json& gateway : All(kube::kIotGateways, true)) {
    const Json* records = kube::Find(gateway, {"status", "attachments"});
    records_[kube::UidOf(gateway)] = records == nullptr ? "" : records->dump();
  }
  slices_.clear();
  for (const Json& slice : All(kube::kIotSlices, true)) slices_.insert(kube::NameOf(slice));
}

void Kinds::AfterRestore() {
  Disturbed(Duration::zero());
  auto before = records_;
  lost_slices_.merge(slices_);
  BeforeRestore();
  for (const std::string& slice : slices_) lost_slices_.erase(slice);
  for (const auto& [uid, records] : before) {
    const auto now = records_.find(uid);
    if (now == records_.end() || now->second != records) forgotten_.insert(uid);
  }
}

// ---- What objects say

void Kinds::AfterStep() {
  if (!std::exchange(changed_, false)) return;
  for (const kube::Resource& kind :
       {kube::kIotSlices, kube::kIotGateways, kube::kIotServers, kube::kIotDevices}) {
    for (const auto& object : around_.api.cluster().All(kind)) {
      CheckSteps(*object);
      CheckBlame(*object);
      if (kind == kube::kIotSlices && kube::BeingDeleted(*object))
        slice_ends_.emplace(kube::UidOf(*object), around_.loop.Now());
      if (kind != kube::kIotGateways) continue;
      if (HandsOver(*object)) {
        stops_first_.erase(kube::UidOf(*object));
      } else {
        stops_first_.emplace(kube::UidOf(*object), around_.loop.Now());
      }
    }
  }
}

void Kinds::CheckSteps(const Json& object) {
  const Json* steps = kube::Find(object, {"status", "steps"});
  if (steps == nullptr) return;
  std::string order;
  bool undoes = false;
  for (const Json& step : *steps) {
    const std::string state = kube::TextAt(step, {"state"});
    undoes = undoes || state == "Undone";
    order += state.empty() ? '?' : state == "Running" || state == "Failed" ? '!' : state.front();
  }
  // One is under way at most; what is before it is done, what comes after it pending or undone.
  std::string states = order;
  std::erase(states, 'U');
  bool right = states.size() == order.size() || states.find('P') == std::string::npos;
  right = right && std::count(order.begin(), order.end(), '!') <= 1;
  right = right && std::is_sorted(states.begin(), states.end(), [](char one, char other) {
            constexpr std::string_view kOrder = "D!P";
            return kOrder.find(one) < kOrder.find(other);
          });
  // What is undone begins at the end.
  const auto now = order.find('!');
  right = right &&
          (!undoes || now == std::string::npos || order.find_first_not_of('U', now + 1) == std::string::npos);
  if (!right) around_.story.Violate("the steps of " + Who(object) + " are out of order: " + steps->dump());
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  const bool complete = order.find_first_not_of('D') == std::string::npos;
  if (phase == "Ready" && !complete)
    around_.story.Violate(Who(object) + " is Ready, and its steps are not: " + steps->dump());
}

void Kinds::CheckBlame(const Json& object) {
  // Nobody ever changes the password.
  const auto blames = [](const Json& one) { return kube::TextAt(one, {"reason"}) == "CredentialsRejected"; };
  const Json* conditions = kube::Find(object, {"status", "conditions"});
  const Json* records = kube::Find(object, {"status", "attachments"});
  for (const Json* list : {conditions, records}) {
    if (list == nullptr || std::none_of(list->begin(), list->end(), blames)) continue;
    around_.story.Violate(Who(object) +
                          " says that its credentials are wrong, which they are not: " + list->dump());
  }
}

}  // namespace slicelet::sim
