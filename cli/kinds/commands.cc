#include "cli/kinds/commands.h"

#include <nlohmann/json.hpp>
#include <utility>

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

std::string GivenSlice(const KindOptions& options) {
  const auto it = options.given.find("--slice");
  return it != options.given.end() && !it->second.empty() ? it->second.back() : options.slice;
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

bool IsDetached(const Json& gateway) {
  const std::string state = GetString(gateway, "/status/attachment/state");
  return state.empty() || state == "Detached";
}

kube::ObjectRef RefOf(const Kind& kind, const Json& object) {
  return {kind.resource, kube::NamespaceOf(object), kube::NameOf(object), ""};
}

}  // namespace

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

absl::Status KindCommands::Create(const Kind& kind, const KindOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const std::string& name = options.names.front();
  SLICELET_ASSIGN_OR_RETURN(const Json object, ObjectOf(kind, ns, name, options.given, files_));
  SLICELET_RETURN_IF_ERROR(CheckReferences(kind, options, ns));
  const kube::ObjectRef ref{kind.resource, ns, name, ""};
  const auto made = cluster_.Create(ref, object);
  if (!made.ok()) return Refused(kind, ref, made.status(), options.given);
  return Finish(kind, options, *made,
                {"created", {.what = kReady, .condition = kReady, .holds = [](const Json* now) {
                               return now != nullptr && ConditionHolds(*now, kReady);
                             }}});
}

absl::Status KindCommands::Set(const Kind& kind, const KindOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const Json patch, PatchOf(kind, options.given, options.unset, files_));
  SLICELET_ASSIGN_OR_RETURN(const std::string ns, NamespaceFor(kind, options));
  const kube::ObjectRef ref{kind.resource, ns, options.names.front(), ""};
  const auto before = cluster_.Get(ref);
  if (!before.ok()) return Refused(kind, ref, before.status(), {});
  if (options.dry_run) {
    Json after = *before;
    after.merge_patch(patch);
    out_(PrintOne(kind, after, options.output.empty() ? "yaml" : options.output, clock_.Now()));
    return absl::OkStatus();
  }
  SLICELET_RETURN_IF_ERROR(CheckReferences(kind, options, ns));
  const auto after = cluster_.Patch(ref, patch);
  if (!after.ok()) return Refused(kind, ref, after.status(), options.given);
  const bool changed = kube::ResourceVersionOf(*before) != kube::ResourceVersionOf(*after);
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
  if (!deleted.ok() && !absl::IsNotFound(deleted)) return Refused(kind, ref, deleted, {});
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
          (kind.can_give_up ? ", and 'slicectl " + kind.noun + " delete " + awaited.ref.name + " -n " +
                                  awaited.ref.ns + " --give-up' does not wait for what will never come back"
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

absl::Status PrintDryRun(const Kind& kind, const KindOptions& options, const KindDefaults& defaults,
                         FileSystem& files, const KindCommands::Print& out) {
  std::string ns = options.ns;
  if (ns.empty()) ns = kind.of_hub ? defaults.hub_ns : GivenSlice(options);
  SLICELET_ASSIGN_OR_RETURN(Json object, ObjectOf(kind, ns, options.names.front(), options.given, files));
  if (ns.empty()) object["metadata"].erase("namespace");
  out(PrintOne(kind, object, options.output.empty() ? "yaml" : options.output, SystemClock().Now()));
  return absl::OkStatus();
}

}  // namespace slicelet::cli
