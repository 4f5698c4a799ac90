#include "provider/controllers/classic_server.h"

#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/secrets.h"
#include "provider/controllers/server_profile.h"
#include "provider/controllers/targets.h"

namespace slicelet::provider {
namespace {

constexpr char kKeys[] = "Keys";
constexpr char kCredentials[] = "Credentials";
constexpr int kPasswordBytes = 16;
constexpr std::chrono::seconds kAskSoon{2};
constexpr std::chrono::seconds kAskLater{30};

bool IsSuspended(const Json& server) { return GetBool(server, "/spec/suspended"); }

/// Where it is reached: what its user says, else what its host says, which it keeps while it has no pod.
std::string AddressOf(const Json& server, const std::vector<const Json*>& pods) {
  std::string own = kube::TextAt(server, {"spec", "address"});
  if (!own.empty()) return own;
  for (const Json* pod : pods) {
    std::string host = kube::TextAt(*pod, {"status", "hostIP"});
    if (!host.empty()) return host;
  }
  return kube::TextAt(server, {"status", "address"});
}

}  // namespace

bool WantsUser(const Json& server) {
  const bool classic = kube::TextAt(server, {"spec", "profile"}) != "external";
  return GetBool(server, "/spec/createUser") || (classic && !HasOwnCredentials(server));
}

bool NeedsLogin(const Json& server) {
  return kube::TextAt(server, {"spec", "profile"}) == "external" && HasOwnCredentials(server) &&
         !WantsUser(server);
}

void AwaitLogin(Plan& plan, const Json& server, const UserReports& users) {
  if (!NeedsLogin(server)) return;
  const std::string name = kube::TextAt(server, {"spec", "credentialsSecret"});
  const bool reached = plan.complete();
  // What is known may be about the one that was named before.
  const bool same = kube::TextAt(server, {"status", "credentialsSecret"}) == name;
  const std::optional<UserReport> report = same ? users(server) : std::nullopt;
  const bool there = report && report->status.ok();
  const bool missing = report && absl::IsNotFound(report->status);
  const bool incomplete = report && absl::IsInvalidArgument(report->status);
  // An API server that does not answer takes nothing away.
  const bool done = there || (same && plan.WasDone(kLoginStep) && !missing && !incomplete);
  std::string message = report ? Message(report->status) : "is being read";
  if (done) message = "Secret " + name;
  if (missing) {
    message = "spec.credentialsSecret: there is no Secret " + name + " in namespace " +
              kube::NamespaceOf(server) + ": make it, with keys email and password";
  }
  plan.Await(kLoginStep, done, message,
             missing      ? "CredentialsNotFound"
             : incomplete ? "CredentialsIncomplete"
                          : "Progressing");
  if (reached) plan.Again(there ? kAskLater : kAskSoon);
}

void AwaitUser(Plan& plan, const Json& server, const UserReports& users) {
  if (!WantsUser(server)) return;
  const bool reached = plan.complete();
  const std::optional<UserReport> report = users(server);
  if (report && !report->email.empty()) plan.Set("user", report->email);
  const bool refused = report && absl::IsUnauthenticated(report->status);
  const bool made = report && report->status.ok();
  // While it is looked at once more it is there as before.
  const bool done = made || (plan.WasDone(kUserStep) && !refused);
  const std::string why = report ? Message(report->status) : "is being made";
  plan.Await(kUserStep, done, done ? "can log in" : why, refused ? "CredentialsRejected" : "Progressing");
  if (reached) plan.Again(made ? kAskLater : kAskSoon);
}

ClassicServer::ClassicServer(ControllerSettings settings, Random& random, UserReports users)
    : settings_(std::move(settings)), random_(random), users_(std::move(users)) {}

Json ClassicServer::Labels(const Json& server) const {
  return {{kHubLabel, settings_.hub_id},
          {kSliceLabel, kube::TextAt(server, {"spec", "slice"})},
          {kServerLabel, kube::NameOf(server)}};
}

/// The host that it runs on; checks that it can.
std::string ClassicServer::Place(Plan& plan, const World& world, const Json& server) const {
  const std::string slice = kube::TextAt(server, {"spec", "slice"});
  Json target = GetObject(server, "/spec/target");
  if (target.empty()) {
    const Json* made = world.Find(kube::kIotSlices, settings_.ns, slice);
    const std::string node = made == nullptr ? "" : kube::TextAt(*made, {"spec", "cloud", "node"});
    if (node.empty()) {
      plan.Check(Finding{"NoTarget", "spec.target: give the host that it runs on, because IotSlice " + slice +
                                         " names no spec.cloud.node"});
      return "";
    }
    target["node"] = node;
  }
  plan.Check(TargetProblem(world, settings_, slice, target));
  const std::string node = kube::TextAt(target, {"node"});
  const std::string host = node.empty() ? kube::TextAt(target, {"host"}) : node;
  if (world.Find(kube::kEdgeHosts, settings_.ns, host) == nullptr) {
    plan.Check(
        Finding{"NotOneHost", "spec.target.node: " + node +
                                  " stands for many hosts, and a server runs on one: give spec.target.host"});
  }
  const std::string before = kube::TextAt(server, {"status", "target"});
  if (!before.empty() && before != host) {
    plan.Check(Finding{"TargetChanged", "spec.target: the server's data lies on " + before + ", not on " +
                                            host +
                                            ": name that host again, or delete the server and make it anew"});
  }
  return host;
}

void ClassicServer::MakeSecrets(Plan& plan, const Json& server, const Look& look) const {
  MakeSecret(plan, look, kKeys, kube::kIotServers, server, ServerKeysOf(server), Labels(server), [&] {
    Json keys;
    for (const char* key : {"database", "messages", "signing", "admin"})
      keys[key] = random_.Hex(kPasswordBytes);
    return keys;
  });
  const std::string name = CredentialsOf(server);
  if (HasOwnCredentials(server))
    return plan.Make(kCredentials, true, "Secret " + name + ", which was given", {});
  MakeSecret(plan, look, kCredentials, kube::kIotServers, server, name, Labels(server), [&]() -> Json {
    return {{"email", UserOf(server)}, {"password", random_.Hex(kPasswordBytes)}};
  });
}

Outcome ClassicServer::Make(Plan& plan, const World& world, const Json& server, const Look& look) const {
  const std::vector<const Json*> pods = PodsOf(world, server, kServerLabel);
  const std::string host = Place(plan, world, server);
  if (plan.complete()) {
    plan.Set("target", host);
    plan.Set("data", DataPathOf(server));
    plan.Set("credentialsSecret", CredentialsOf(server));
  }
  plan.Hold(kube::kIotServers);
  MakeSecrets(plan, server, look);
  const bool suspended = IsSuspended(server);
  const Json wanted = suspended ? Json() : ServerPod(server, host, settings_);
  MakePod(plan, kube::kIotServers, server, pods, wanted, look.now);
  const std::string address = AddressOf(server, pods);
  if (!address.empty()) {
    const Json endpoints = ClassicEndpoints(server, address);
    plan.Set("address", address);
    plan.Set("url", endpoints["things"]);
    plan.Set("mqtt", endpoints["mqtt"]);
    plan.Set("endpoints", endpoints);
  }
  if (!suspended) {
    AwaitPod(plan, pods, RevisionOf(wanted));
    plan.Await("Address", !address.empty(),
               address.empty() ? "the host tells no address of its own: give spec.address" : address,
               "NoAddress");
    AwaitUser(plan, server, users_);
  }
  const bool whole = plan.complete();
  if (suspended && whole) {
    plan.Set("pods", Json::array());
    plan.Set("ready", "0/0");
    plan.Settle({"Suspended", "spec.suspended is true"});
  }
  const std::string phase = plan.finding().reason == "CredentialsRejected"
                                ? "Error"
                                : PhaseOfPods(plan, server, pods, suspended && whole);
  return plan.Finish(phase, {"Ready", "all services are ready"});
}

void ClassicServer::Undo(Plan& plan, const World& world, const Json& server, const Look& look) const {
  const std::vector<const Json*> pods = PodsOf(world, server, kServerLabel);
  plan.Unmake("Pod", kube::kPods, pods.empty() ? nullptr : pods.front());
  UndoSecrets(plan, server, look);
}

void ClassicServer::UndoSecrets(Plan& plan, const Json& server, const Look& look) const {
  if (!HasOwnCredentials(server)) UnmakeSecret(plan, look, kCredentials, server, CredentialsOf(server));
  UnmakeSecret(plan, look, kKeys, server, ServerKeysOf(server));
}

}  // namespace slicelet::provider
