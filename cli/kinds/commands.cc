#include "cli/kinds/commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/kinds/dry_run.h"
#include "cli/kinds/printer.h"
#include "cli/kinds/refusal.h"
#include "cli/kube/progress.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

constexpr char kReady[] = "Ready";
constexpr char kAttached[] = "Attached";
constexpr char kGiveUp[] = "slicelet.io/give-up";

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

bool IsDetached(const Json& gateway) {
  const std::string state = GetString(gateway, "/status/attachment/state");
  return state.empty() || state == "Detached";
}

bool NothingGiven(const Given& given) {
  return std::all_of(given.begin(), given.end(), [](const auto& option) { return option.second.empty(); });
}

kube::ObjectRef RefOf(const Kind& kind, const Json& object) {
  return {kind.resource, kube::NamespaceOf(object), kube::NameOf(object), ""};
}

}  // namespace

std::string GivenSlice(const KindOptions& options) {
  const auto it = options.given.find("--slice");
  return it != options.given.end() && !it->second.empty() ? it->second.back() : options.slice;
}

KindCommands::KindCommands(Cluster& cluster, FileSystem& files, const Clock& clock, KindDefaults defaults,
                           Print out, Print say)
    : cluster_(cluster),
      files_(files),
      clock_(clock),
      defaults_(std::move(defaults)),
      out_(std::move(out)),
      say_(std::move(say)) {}

absl::StatusOr<std::string> KindCommands::NamespaceFor(const Kind& kind, const KindOptions& options) {
  if (!options.ns.empty()) return options.ns;
  if (kind.of_hub) return defaults_.hub_ns;
  const std::string name = GivenSlice(options);
  if (name.empty()) return defaults_.context_ns;
  const auto slice = cluster_.Get({kube::kIotSlices, defaults_.hub_ns, name, ""});
  if (absl::IsPermissionDenied(slice.status())) {
    return absl::PermissionDeniedError(Message(slice.status()) + "; or give the slice's namespace with -n");
  }
  if (absl::IsNotFound(slice.status())) {
    return Refused(*FindKind("slice"), {kube::kIotSlices, defaults_.hub_ns, name, ""}, slice.status(), {});
  }
  if (!slice.ok()) return slice.status();
  std::string made = kube::TextAt(*slice, {"status", "namespace"});
  if (!made.empty()) return made;
  const std::string asked = kube::TextAt(*slice, {"spec", "namespace"});
  return asked.empty() ? name : asked;
}

absl::Status KindCommands::CheckReferences(const Kind& kind, const KindOptions& options,
                                           const std::string& ns) {
  for (const auto& [path, noun] : kind.refers) {
    for (const Field& field : SchemaOf(kind.resource).fields) {
      const auto it = options.given.find(OptionOf(kind, field));
      if (field.path != path || it == options.given.end() || it->second.empty()) continue;
      const Kind& other = *FindKind(noun);
      const kube::ObjectRef ref{other.resource, ns, it->second.back(), ""};
      const auto found = cluster_.Get(ref);
      if (absl::IsNotFound(found.status()))
        return WithContext(Refused(other, ref, found.status(), {}), it->first);
      // Who may not look is told by the hub, in the object's conditions.
      if (!found.ok() && !absl::IsPermissionDenied(found.status())) return found.status();
    }
  }
  return absl::OkStatus();
}

absl::Status KindCommands::Refused(const Kind& kind, const kube::ObjectRef& ref, const absl::Status& status,
                                   const Given& given) const {
  const std::string message = Message(status);
  const std::string in = " in namespace " + Quoted(ref.ns);
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
      return absl::AlreadyExistsError(kind.noun + " " + Quoted(ref.name) + in +
                                      " exists already and is left as it is: 'slicectl " + kind.noun +
                                      " set " + ref.name + "' changes it");
    case absl::StatusCode::kNotFound:
      if (message.find("does not know the kind") != std::string::npos) return status;
      if (message.find("namespaces ") != std::string::npos) {
        return absl::NotFoundError("there is no namespace " + Quoted(ref.ns) + " for " + kind.noun + " " +
                                   Quoted(ref.name) +
                                   ": name its slice with --slice, or another namespace with -n");
      }
      return absl::NotFoundError("there is no " + kind.noun + " " + Quoted(ref.name) + in + ": 'slicectl " +
                                 kind.noun + " list -A' shows those that there are");
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      // The command line was right, the values were not: that is for the API server to say.
      return absl::FailedPreconditionError(ReadableRefusal(kind, ref.name, message, given));
    default:
      return WithContext(status, kind.noun + " " + ref.name);
  }
}

absl::Status KindCommands::Finish(const Kind& kind, const KindOptions& options, const Json& object,
                                  Done done) {
  const std::string name = NameFor(kind, kube::NameOf(object));
  const kube::ObjectRef ref = RefOf(kind, object);
  if (options.output.empty()) out_(name + " " + done.sentence + "\n");
  if (!options.wait) {
    if (!options.output.empty()) out_(PrintOne(kind, object, options.output, clock_.Now()));
    return absl::OkStatus();
  }
  done.awaited.ref = ref;
  done.awaited.uid = kube::UidOf(object);
  done.awaited.timeout = options.timeout;
  const absl::Status waited = cluster_.Wait(done.awaited, say_);
  if (absl::IsDeadlineExceeded(waited)) {
    return absl::DeadlineExceededError(kind.noun + " " + ref.name + ": " + Message(waited) +
                                       "; it goes on: 'slicectl " + kind.noun + " get " + ref.name + " -n " +
                                       ref.ns + "' shows how far it is");
  }
  SLICELET_RETURN_IF_ERROR(WithContext(waited, kind.noun + " " + ref.name));
  if (options.output.empty()) {
    out_(name + " is " + done.awaited.what + "\n");
    return absl::OkStatus();
  }
  SLICELET_ASSIGN_OR_RETURN(const Json now, cluster_.Get(ref));
  out_(PrintOne(kind, now, options.output, clock_.Now()));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<OwnSecret>> KindCommands::SecretFor(const Kind& kind,
                                                                   const KindOptions& options,
                                                                   const std::string& ns, const Json& former,
                                                                   Json& spec) {
  if (!options.secret.given()) return nullptr;
  const std::string& object = options.names.front();
  SLICELET_ASSIGN_OR_RETURN(NamedSecret named,
                            NameSecret(kind, object, options.secret, former, spec, files_, say_));
  return std::make_unique<OwnSecret>(cluster_, kind, ns, object, std::move(named));
}

absl::StatusOr<Json> KindCommands::Make(const Kind& kind, const KindOptions& options,
                                        const kube::ObjectRef& ref, const Json& object) {
  auto made = cluster_.Create(ref, object);
  if (!made.ok()) return Refused(kind, ref, made.status(), options.given);
  return made;
}

/// Secret, object, and the object as the Secret's owner: so that the hub finds the one when it sees the
/// other, and whatever fails is gone on with when the command is repeated.
absl::StatusOr<Json> KindCommands::MakeWithSecret(const Kind& kind, const KindOptions& options,
                                                  const kube::ObjectRef& ref, const Json& object,
                                                  OwnSecret& secret) {
  auto there = cluster_.Get(ref);
  if (there.ok()) {
    SLICELET_ASSIGN_OR_RETURN(const bool complete, secret.BelongsTo(*there));
    Json wanted = GetObject(*there, "/spec");
    wanted.merge_patch(object["spec"]);
    if (complete || wanted != GetObject(*there, "/spec")) {
      return Refused(kind, ref, absl::AlreadyExistsError(""), options.given);
    }
    // A former run came so far.
    SLICELET_RETURN_IF_ERROR(secret.Put(&*there));
    return there;
  }
  if (!absl::IsNotFound(there.status())) return Refused(kind, ref, there.status(), options.given);
  SLICELET_RETURN_IF_ERROR(secret.Put(nullptr));
  auto made = Make(kind, options, ref, object);
  if (!made.ok()) {
    // Of what was neither made nor refused nobody knows whether it is there.
    const absl::Status& why = made.status();
    if (absl::IsFailedPrecondition(why) || absl::IsPermissionDenied(why) || absl::IsNotFound(why)) {
      secret.TakeBack();
    }
    return made;
  }
  const absl::Status owned = secret.Put(&*made);
  if (owned.ok()) return made;
  return WithContext(
      owned, kind.noun + " " + ref.name + " is made, but does not own its Secret yet (run this again)");
}

absl::Status KindCommands::Create(const Kind& kind, const KindOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const std::string& name = options.names.front();
  SLICELET_ASSIGN_OR_RETURN(Json object, ObjectOf(kind, ns, name, options.given, files_));
  SLICELET_ASSIGN_OR_RETURN(const auto secret, SecretFor(kind, options, ns, {}, object["spec"]));
  SLICELET_RETURN_IF_ERROR(CheckReferences(kind, options, ns));
  const kube::ObjectRef ref{kind.resource, ns, name, ""};
  SLICELET_ASSIGN_OR_RETURN(const Json made, secret ? MakeWithSecret(kind, options, ref, object, *secret)
                                                    : Make(kind, options, ref, object));
  return Finish(kind, options, made,
                {"created", {.what = kReady, .condition = kReady, .holds = [](const Json* now) {
                               return now != nullptr && ConditionHolds(*now, kReady);
                             }}});
}

absl::Status KindCommands::Set(const Kind& kind, const KindOptions& options) {
  Json patch = {{"spec", Json::object()}};
  const bool only_secret = options.secret.given() && options.unset.empty() && NothingGiven(options.given);
  if (!only_secret) {
    SLICELET_ASSIGN_OR_RETURN(patch, PatchOf(kind, options.given, options.unset, files_));
  }
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const kube::ObjectRef ref{kind.resource, ns, options.names.front(), ""};
  const auto before = cluster_.Get(ref);
  if (!before.ok()) return Refused(kind, ref, before.status(), {});
  const Json former = GetObject(*before, "/spec");
  SLICELET_ASSIGN_OR_RETURN(const auto secret, SecretFor(kind, options, ns, former, patch["spec"]));
  const bool named = secret && kube::TextAt(former, {kind.secret->field}) ==
                                   kube::TextAt(patch, {"spec", kind.secret->field});
  if (options.dry_run) {
    Json after = *before;
    after.merge_patch(patch);
    const Json planned = secret ? secret->Planned(&*before, named) : Json();
    out_(PrintPlanned(kind, after, planned, options.output, clock_.Now()));
    return absl::OkStatus();
  }
  SLICELET_RETURN_IF_ERROR(CheckReferences(kind, options, ns));
  if (secret) SLICELET_RETURN_IF_ERROR(secret->Put(&*before, named));
  const auto after = cluster_.Patch(ref, patch);
  if (!after.ok()) return Refused(kind, ref, after.status(), options.given);
  const bool changed =
      (secret && secret->changed()) || kube::ResourceVersionOf(*before) != kube::ResourceVersionOf(*after);
  return Finish(
      kind, options, *after,
      {changed ? "changed" : "unchanged", {.what = kReady, .condition = kReady, .holds = [](const Json* now) {
                                             return now != nullptr && ConditionHolds(*now, kReady);
                                           }}});
}

absl::Status KindCommands::Get(const Kind& kind, const KindOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const kube::ObjectRef ref{kind.resource, ns, options.names.front(), ""};
  const auto object = cluster_.Get(ref);
  if (!object.ok()) return Refused(kind, ref, object.status(), {});
  out_(PrintOne(kind, *object, options.output, clock_.Now()));
  return absl::OkStatus();
}

absl::Status KindCommands::List(const Kind& kind, const KindOptions& options) {
  std::string ns;
  if (!options.all_namespaces) {
    SLICELET_ASSIGN_OR_RETURN(ns, NamespaceFor(kind, options));
  }
  SLICELET_ASSIGN_OR_RETURN(const auto objects, cluster_.List(kind.resource, ns, options.selector));
  const bool table = options.output == "table" || options.output == "wide";
  if (objects.empty() && table) {
    say_("No " + kind.noun + "s found" + (ns.empty() ? "." : " in namespace " + ns + "."));
    return absl::OkStatus();
  }
  out_(PrintList(kind, objects, options.output, options.all_namespaces, clock_.Now()));
  return absl::OkStatus();
}

absl::Status KindCommands::StartDelete(const Kind& kind, const KindOptions& options, const std::string& ns,
                                       const std::string& name, std::vector<Cluster::Awaited>& waits) {
  const kube::ObjectRef ref{kind.resource, ns, name, ""};
  const auto object = cluster_.Get(ref);
  if (absl::IsNotFound(object.status()) && options.ignore_not_found) return absl::OkStatus();
  if (!object.ok()) return Refused(kind, ref, object.status(), {});
  if (options.give_up) {
    const auto told = cluster_.Patch(ref, {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
    if (!told.ok()) return Refused(kind, ref, told.status(), {});
  }
  const absl::Status deleted = cluster_.Delete(ref, kube::UidOf(*object));
  // Somebody else was faster.
  if (!deleted.ok() && !absl::IsNotFound(deleted)) {
    const absl::Status refused = Refused(kind, ref, deleted, {});
    // As the admission policy of hosts that have workloads says it, for kubectl.
    if (options.give_up || Message(deleted).find(kGiveUp) == std::string::npos) return refused;
    return {refused.code(),
            Message(refused) + " ('slicectl " + kind.noun + " delete " + name + " --give-up' does)"};
  }
  const bool held = !GetArray(*object, "/metadata/finalizers").empty();
  if (held && options.wait) {
    waits.push_back({.ref = ref,
                     .what = "gone",
                     .condition = kReady,
                     .holds = [](const Json* now) { return now == nullptr; },
                     .uid = kube::UidOf(*object),
                     .timeout = options.timeout});
  } else {
    out_(NameFor(kind, name) + (held ? " is being deleted\n" : " deleted\n"));
  }
  return absl::OkStatus();
}

absl::Status KindCommands::Delete(const Kind& kind, const KindOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  std::vector<absl::Status> failures;
  std::vector<Cluster::Awaited> waits;
  // All begin to go before one is waited for.
  for (const std::string& name : options.names) {
    const absl::Status status = StartDelete(kind, options, ns, name, waits);
    if (!status.ok()) failures.push_back(status);
  }
  for (const Cluster::Awaited& awaited : waits) {
    const std::string& name = awaited.ref.name;
    const std::string what = kind.noun + " " + awaited.ref.name;
    const absl::Status waited = cluster_.Wait(awaited, say_);
    if (waited.ok()) {
      out_(NameFor(kind, name) + " deleted\n");
    } else if (absl::IsDeadlineExceeded(waited)) {
      failures.push_back(absl::DeadlineExceededError(
          what + ": " + Message(waited) + "; it goes on" +
          (!kind.give_up.empty()
               ? ", and 'slicectl " + kind.noun + " delete " + awaited.ref.name + " -n " + awaited.ref.ns +
                     " --give-up' does not wait for what will never come back"
               : "")));
    } else {
      failures.push_back(WithContext(waited, what));
    }
  }
  if (failures.empty()) return absl::OkStatus();
  for (std::size_t i = 0; i + 1 < failures.size(); ++i) say_(Message(failures[i]));
  return failures.back();
}

absl::Status KindCommands::Attach(const KindOptions& options, const std::string& server) {
  const Kind& kind = *FindKind("gateway");
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const kube::ObjectRef ref{kind.resource, ns, options.names.front(), ""};
  const auto before = cluster_.Get(ref);
  if (!before.ok()) return Refused(kind, ref, before.status(), {});
  const std::string former = kube::TextAt(*before, {"spec", "attachTo"});
  if (server.empty() && former.empty() && IsDetached(*before)) {
    out_(NameFor(kind, ref.name) + " is attached to no server\n");
    return absl::OkStatus();
  }
  Given given;
  if (!server.empty()) given["--server"] = {server};
  KindOptions referring = options;
  referring.given = given;
  SLICELET_RETURN_IF_ERROR(CheckReferences(kind, referring, ns));
  const auto after = cluster_.Patch(ref, {{"spec", {{"attachTo", server.empty() ? Json() : Json(server)}}}});
  if (!after.ok()) return Refused(kind, ref, after.status(), given);
  if (server.empty()) {
    return Finish(kind, options, *after,
                  {"leaves server " +
                       (former.empty() ? kube::TextAt(*before, {"status", "attachment", "server"}) : former),
                   {.what = "Detached", .condition = kAttached, .holds = [](const Json* now) {
                      return now != nullptr && IsDetached(*now) &&
                             GetInt(*now, "/status/observedGeneration") >=
                                 GetInt(*now, "/metadata/generation");
                    }}});
  }
  return Finish(kind, options, *after,
                {"goes to server " + server,
                 {.what = kAttached, .condition = kAttached, .holds = [server](const Json* now) {
                    return now != nullptr && ConditionHolds(*now, kAttached) &&
                           GetString(*now, "/status/attachment/server", server) == server;
                  }}});
}

}  // namespace slicelet::cli
