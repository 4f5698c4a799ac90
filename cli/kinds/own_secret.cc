#include "cli/kinds/own_secret.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/http/kube_config.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::cli {
namespace {

constexpr std::uint64_t kMaxPassword = 4096;
constexpr std::uint64_t kMaxKubeconfig = std::uint64_t{512} << 10;
constexpr std::uint32_t kReadableByOthers = 0044;

absl::StatusOr<std::string> ReadPassword(const std::string& path, FileSystem& files,
                                         const std::function<void(const std::string&)>& say) {
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  SLICELET_ASSIGN_OR_RETURN(std::string text, files.Read(absolute, kMaxPassword));
  // The line's end is the editor's, and no part of the password.
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  const std::string named = "--password-file " + path;
  if (text.empty()) return absl::FailedPreconditionError(named + ": it is empty: write the password into it");
  if (text.find('\n') != std::string::npos) {
    return absl::FailedPreconditionError(named +
                                         ": it has several lines: the password is all of its one line");
  }
  const auto info = files.Stat(absolute);
  if (info.ok() && info->kind == FileSystem::Kind::kFile && (info->mode & kReadableByOthers) != 0) {
    say("note: " + path + " can be read by others: chmod 600 " + path);
  }
  return text;
}

absl::StatusOr<std::string> ReadKubeconfig(const std::string& path, const std::string& context,
                                           FileSystem& files) {
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  SLICELET_ASSIGN_OR_RETURN(std::string text, files.Read(absolute, kMaxKubeconfig));
  const auto parsed = kube::ParseKubeConfig(text, "--kubeconfig-file " + path, context);
  if (parsed.ok()) return text;
  // The command line was right; the file was not.
  return absl::FailedPreconditionError(
      Message(parsed.status()) +
      ": give one with everything inside it, as 'kubectl config view --raw --flatten' prints it");
}

Json Encoded(const SecretData& data) {
  Json encoded = Json::object();
  for (const auto& [key, value] : data) encoded[key] = Base64Encode(value);
  return encoded;
}

/// What makes it the object's own.
Json Metadata(const Kind& kind, const std::string& object, const Json* owner) {
  Json metadata = {{"labels", {{kind.secret->label, object}}}};
  if (owner != nullptr) {
    metadata["ownerReferences"] = Json::array({Json({{"apiVersion", kube::ApiVersion(kind.resource)},
                                                     {"kind", kind.resource.kind},
                                                     {"name", object},
                                                     {"uid", kube::UidOf(*owner)},
                                                     {"controller", true}})});
  }
  return metadata;
}

bool IsOwnedBy(const Json& secret, const Json& owner) {
  for (const Json& reference : GetArray(secret, "/metadata/ownerReferences")) {
    if (kube::TextAt(reference, {"uid"}) == kube::UidOf(owner)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<SecretData> ReadSecret(const SecretOptions& options, const std::string& context,
                                      FileSystem& files, const std::function<void(const std::string&)>& say) {
  if (!options.kubeconfig_file.empty()) {
    SLICELET_ASSIGN_OR_RETURN(std::string text, ReadKubeconfig(options.kubeconfig_file, context, files));
    return SecretData{{"kubeconfig", std::move(text)}};
  }
  if (options.user.empty() || options.password_file.empty()) {
    return absl::InvalidArgumentError("--user and --password-file: give both or neither");
  }
  SLICELET_ASSIGN_OR_RETURN(std::string password, ReadPassword(options.password_file, files, say));
  return SecretData{{"email", options.user}, {"password", std::move(password)}};
}

absl::StatusOr<NamedSecret> NameSecret(const Kind& kind, const std::string& object,
                                       const SecretOptions& options, const Json& former, Json& spec,
                                       FileSystem& files,
                                       const std::function<void(const std::string&)>& say) {
  const std::string& field = kind.secret->field;
  NamedSecret secret{.name = kube::TextAt(spec, {field})};
  if (secret.name.empty()) secret.name = kube::TextAt(former, {field});
  if (secret.name.empty()) secret.name = object + kind.secret->suffix;
  spec[field] = secret.name;
  std::string context = kube::TextAt(spec, {"context"});
  if (context.empty()) context = kube::TextAt(former, {"context"});
  SLICELET_ASSIGN_OR_RETURN(secret.data, ReadSecret(options, context, files, say));
  return secret;
}

Json SecretObject(const Kind& kind, const std::string& ns, const std::string& object,
                  const NamedSecret& secret, const Json* owner) {
  Json metadata = Metadata(kind, object, owner);
  metadata["name"] = secret.name;
  metadata["namespace"] = ns;
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", std::move(metadata)},
          {"type", "Opaque"},
          {"data", Encoded(secret.data)}};
}

OwnSecret::OwnSecret(Cluster& cluster, const Kind& kind, std::string ns, std::string object,
                     NamedSecret secret)
    : cluster_(cluster),
      kind_(kind),
      ref_{kube::kSecrets, std::move(ns), secret.name, ""},
      object_(std::move(object)),
      secret_(std::move(secret)) {}

std::string OwnSecret::Called() const {
  return "Secret \"" + ref_.name + "\" in namespace \"" + ref_.ns + "\"";
}

absl::Status OwnSecret::MayChange(const Json& is, const Json* owner) const {
  const std::string whose = kube::TextAt(is, {"metadata", "labels", kind_.secret->label});
  if (whose != object_) {
    return absl::FailedPreconditionError(Called() + " was not made for " + kind_.noun + " \"" + object_ +
                                         "\" and is left as it is: name another with " +
                                         kind_.secret->option);
  }
  const bool free = GetArray(is, "/metadata/ownerReferences").empty();
  if (!kube::BeingDeleted(is) && (free || (owner != nullptr && IsOwnedBy(is, *owner)))) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(Called() + " is of a former " + kind_.noun + " \"" + object_ +
                                       "\" and goes with it: try again in a moment");
}

absl::Status OwnSecret::Put(const Json* owner, bool named) {
  changed_ = false;
  made_uid_.clear();
  const auto made = cluster_.Create(ref_, SecretObject(kind_, ref_.ns, object_, secret_, owner));
  if (made.ok()) {
    changed_ = true;
    made_uid_ = kube::UidOf(*made);
    return absl::OkStatus();
  }
  if (!absl::IsAlreadyExists(made.status())) return WithContext(made.status(), Called());
  const auto is = cluster_.Get(ref_);
  if (!is.ok()) return WithContext(is.status(), Called());
  const absl::Status may = MayChange(*is, owner);
  if (!may.ok() && !named) return may;
  Json patch = {{"metadata", {{"uid", kube::UidOf(*is)}}}, {"data", Encoded(secret_.data)}};
  if (may.ok()) patch["metadata"].update(Metadata(kind_, object_, owner));
  const auto patched = cluster_.Patch(ref_, patch);
  if (!patched.ok()) return WithContext(patched.status(), Called());
  changed_ = GetObject(*is, "/data") != GetObject(*patched, "/data");
  return absl::OkStatus();
}

Json OwnSecret::Planned(const Json* owner, bool named) const {
  Json secret = SecretObject(kind_, ref_.ns, object_, secret_, owner);
  // Whose it is then stays.
  if (named) secret["metadata"] = {{"name", ref_.name}, {"namespace", ref_.ns}};
  return secret;
}

absl::StatusOr<bool> OwnSecret::BelongsTo(const Json& owner) {
  const auto is = cluster_.Get(ref_);
  if (absl::IsNotFound(is.status())) return false;
  if (!is.ok()) return WithContext(is.status(), Called());
  return IsOwnedBy(*is, owner);
}

void OwnSecret::TakeBack() {
  // Should this fail, it is taken over when the command is repeated.
  if (!made_uid_.empty()) static_cast<void>(cluster_.Delete(ref_, made_uid_));
  made_uid_.clear();
}

}  // namespace slicelet::cli
