#include "cli/import/import_command.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/import/toml_file.h"
#include "cli/kinds/kind.h"
#include "cli/kinds/refusal.h"
#include "cli/table.h"
#include "common/base/encoding.h"
#include "common/base/file_system.h"
#include "common/json/json.h"
#include "common/json/yaml_writer.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 20;

std::string Title(const ImportedObject& one) {
  return one.resource.kind + " " + kube::NamespaceOf(one.object) + "/" + kube::NameOf(one.object);
}

/// The first member in which `is` differs from what is wanted, as a path; empty when there is none. What is
/// not wanted may be anything.
std::string Difference(const Json& wanted, const Json& is, const std::string& path) {
  if (wanted.is_object() && is.is_object()) {
    for (const auto& [key, value] : wanted.items()) {
      std::string below = path;
      below.append(".").append(key);
      const auto it = is.find(key);
      if (it == is.end()) return below;
      std::string found = Difference(value, *it, below);
      if (!found.empty()) return found;
    }
    return "";
  }
  if (wanted.is_array() && is.is_array() && wanted.size() == is.size()) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      std::string found = Difference(wanted[i], is[i], path + "[" + std::to_string(i) + "]");
      if (!found.empty()) return found;
    }
    return "";
  }
  // 500 and 500.0 are one number.
  return wanted == is ? "" : path;
}

/// A Secret is written as text and read in base64.
std::string DifferenceOf(const ImportedObject& one, const Json& is) {
  if (one.resource != kube::kSecrets) {
    return Difference(GetObject(one.object, "/spec"), GetObject(is, "/spec"), "spec");
  }
  for (const auto& [key, value] : GetObject(one.object, "/stringData").items()) {
    const auto text = Base64Decode(GetString(is, "/data/" + EscapeJsonPointer(key)));
    if (!text.ok() || Json(*text) != value) return "data." + key;
  }
  return "";
}

absl::Status Refusal(const ImportedObject& one, const absl::Status& status) {
  for (const Kind& kind : Kinds()) {
    if (kind.resource != one.resource || status.code() != absl::StatusCode::kFailedPrecondition) continue;
    return absl::FailedPreconditionError(
        ReadableRefusal(kind, kube::NameOf(one.object), Message(status), {}));
  }
  return status;
}

bool HasNamespace(const Json& slice) {
  for (const Json& step : GetArray(slice, "/status/steps")) {
    if (GetString(step, "/name") == "Namespace") return GetString(step, "/state") == "Done";
  }
  return false;
}

/// "created", "unchanged", or why neither.
absl::StatusOr<std::string> Make(const ImportedObject& one, Cluster& cluster, Duration timeout,
                                 const ImportPrint& say) {
  const kube::ObjectRef ref{one.resource, kube::NamespaceOf(one.object), kube::NameOf(one.object), ""};
  std::string done = "created";
  const auto made = cluster.Create(ref, one.object);
  if (absl::IsAlreadyExists(made.status())) {
    SLICELET_ASSIGN_OR_RETURN(const Json is, cluster.Get(ref));
    const std::string difference = DifferenceOf(one, is);
    if (!difference.empty()) {
      return absl::AlreadyExistsError("exists, and differs in " + difference +
                                      ": left as it is; change it, or delete it and import again");
    }
    done = "unchanged";
  } else if (!made.ok()) {
    return Refusal(one, made.status());
  }
  if (one.resource == kube::kIotSlices) {
    // What comes next goes into its namespace, which is the hub's to make.
    SLICELET_RETURN_IF_ERROR(
        cluster.Wait({.ref = ref,
                      .what = "with a namespace",
                      .condition = "Ready",
                      .holds = [](const Json* slice) { return slice != nullptr && HasNamespace(*slice); },
                      .timeout = timeout},
                     say));
  }
  return done;
}

}  // namespace

absl::StatusOr<ImportPlan> ReadImport(const std::string& path, const std::vector<std::string>& hosts,
                                      const std::string& hub_ns) {
  ImportOptions options{.hub_ns = hub_ns};
  for (const std::string& text : hosts) {
    const auto equals = text.find('=');
    const std::string gateway = equals == std::string::npos ? "" : text.substr(0, equals);
    const std::string host = equals == std::string::npos ? text : text.substr(equals + 1);
    if (host.empty() || equals == 0) {
      return absl::InvalidArgumentError("--host \"" + text + "\": give GATEWAY=HOST, or HOST for all");
    }
    options.hosts[gateway] = host;
  }
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(
      const std::string text,
      files->Read(std::filesystem::absolute(path).lexically_normal().string(), kMaxFile));
  const auto parsed = ParseToml(text);
  // The command line was right; the file was not.
  if (!parsed.ok()) return absl::FailedPreconditionError(path + ": " + Message(parsed.status()));
  return PlanImport(*parsed, options);
}

absl::Status PrintImport(const ImportPlan& plan, const ImportPrint& out, const ImportPrint& say) {
  for (const ImportedObject& one : plan.objects) out("---\n" + DumpYaml(one.object));
  for (const std::string& note : plan.notes) say(Printable("note: " + note));
  for (const std::string& problem : plan.problems) say(Printable("not imported: " + problem));
  if (plan.problems.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(std::to_string(plan.problems.size()) +
                                       " entries can not be imported as they are; the lines above say why");
}

absl::Status ApplyImport(const ImportPlan& plan, Cluster& cluster, Duration timeout, const ImportPrint& out,
                         const ImportPrint& say) {
  for (const std::string& note : plan.notes) say(Printable("note: " + note));
  for (const std::string& problem : plan.problems) say(Printable("not imported: " + problem));
  std::size_t failures = plan.problems.size();
  for (const ImportedObject& one : plan.objects) {
    const auto done = Make(one, cluster, timeout, say);
    if (done.ok()) {
      out(Title(one) + " " + *done + " (" + one.from + ")\n");
      continue;
    }
    // Without a cluster nothing else will do better.
    if (absl::IsUnavailable(done.status()) || absl::IsUnauthenticated(done.status())) return done.status();
    ++failures;
    say(Printable("not imported: " + one.from + ": " + Title(one) + ": " + Message(done.status())));
  }
  if (failures == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      std::to_string(failures) +
      " entries were not imported; the lines above say "
      "why. What was imported stays, and importing again goes on from there");
}

}  // namespace slicelet::cli
