#include "kubelet-shim/env/environment.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <variant>

#include "common/base/downward.h"
#include "common/json/quantity.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using kube::Find;
using kube::TextAt;
using Kind = ReferentKey::Kind;

std::string LowerKind(Kind kind) { return kind == Kind::kConfigMap ? "configmap" : "secret"; }

bool BoolAt(const Json& object, std::initializer_list<std::string_view> path, bool otherwise) {
  const Json* value = Find(object, path);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

const Json& ArrayAt(const Json& object, std::initializer_list<std::string_view> path) {
  static const Json kEmpty = Json::array();
  const Json* value = Find(object, path);
  return value != nullptr && value->is_array() ? *value : kEmpty;
}

/// Since Kubernetes 1.34 any printable ASCII but '='.
bool IsVariableName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return c != '=' && std::isprint(c) != 0; });
}

/// metadata.labels or .annotations as the downward API writes them.
std::string FormatMap(const Json& map) {
  std::map<std::string, std::string> texts;
  if (!map.is_object()) return "";
  for (const auto& [key, value] : map.items()) texts[key] = value.is_string() ? value.get<std::string>() : "";
  return FormatDownwardMap(texts);
}

v1::EnvVar Literal(std::string name, std::string value, bool expand) {
  v1::EnvVar variable;
  variable.set_name(std::move(name));
  variable.set_literal(std::move(value));
  variable.set_expand(expand);
  return variable;
}

v1::EnvVar SecretReference(std::string name, const ReferentKey& key, const std::string& entry) {
  v1::EnvVar variable;
  variable.set_name(std::move(name));
  variable.mutable_secret()->set_content_id(ContentIdOf(key));
  variable.mutable_secret()->set_key(entry);
  return variable;
}

std::string HasNoKey(const std::string& object, const std::string& key) {
  return object + " has no key \"" + key + "\"";
}

std::string MissingKeyError(const std::string& failed, const std::string& object, const std::string& key) {
  return failed + object + " references non-existent config key: " + key;
}

/// A container's message and an unsupported field's refusal both end its resolution.
struct Failure {
  std::string message;
  std::string refused_field;
};

class Resolver {
 public:
  Resolver(const Json& pod, const ReferentLookup& referents, const std::vector<ServiceAddress>& services)
      : pod_(pod),
        referents_(referents),
        ns_(kube::NamespaceOf(pod)),
        service_variables_(
            ServiceVariables(services, ns_, BoolAt(pod, {"spec", "enableServiceLinks"}, true))) {}

  Environment Resolve() {
    for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
      const Json& containers = ArrayAt(pod_, {"spec", list});
      for (std::size_t i = 0; i < containers.size(); ++i) {
        ResolveContainer(containers[i], "spec." + std::string(list) + "[" + std::to_string(i) + "]");
      }
    }
    CheckContents();
    return std::move(result_);
  }

 private:
  const Referent& Look(const ReferentKey& key) {
    static const Referent kUnread;
    const Referent* referent = referents_(key);
    if (referent == nullptr) referent = &kUnread;
    if (referent->state == Referent::State::kUnread) result_.unread = true;
    return *referent;
  }

  void Notice(const std::string& reason, const std::string& message) {
    Environment::Notice notice{.reason = reason, .message = message, .container = container_};
    if (std::find(result_.notices.begin(), result_.notices.end(), notice) == result_.notices.end()) {
      result_.notices.push_back(std::move(notice));
    }
  }

  /// Null when the referent is absent or unreadable and `optional` lets the caller go on; a Failure
  /// otherwise.
  std::variant<const Referent*, Failure> Need(const ReferentKey& key, bool optional) {
    const Referent& referent = Look(key);
    const std::string which = optional ? "Optional" : "Mandatory";
    const std::string object = LowerKind(key.kind) + " \"" + key.name + "\"";
    switch (referent.state) {
      case Referent::State::kPresent:
        return &referent;
      case Referent::State::kUnread:
        if (optional) return nullptr;
        return Failure{object + " is being read", ""};
      case Referent::State::kMissing:
        Notice(which + KindName(key.kind) + "NotFound", object + " not found");
        if (optional) return nullptr;
        return Failure{object + " not found", ""};
      case Referent::State::kUnreadable:
        Notice("FailedToRead" + which + KindName(key.kind), object + " can not be read: " + referent.error);
        // An optional object that exists but can not be read is no excuse to start without it.
        return Failure{object + " can not be read: " + referent.error, ""};
    }
    return nullptr;
  }

  std::optional<Failure> AddFrom(const Json& from, std::map<std::string, v1::EnvVar>& variables) {
    const std::string prefix = TextAt(from, {"prefix"});
    for (const auto& [member, kind] :
         {std::pair{"configMapRef", Kind::kConfigMap}, {"secretRef", Kind::kSecret}}) {
      const Json* source = Find(from, {member});
      if (source == nullptr || !source->is_object()) continue;
      const ReferentKey key{kind, ns_, TextAt(*source, {"name"})};
      auto found = Need(key, BoolAt(*source, {"optional"}, false));
      if (auto* failure = std::get_if<Failure>(&found)) return std::move(*failure);
      const Referent* referent = std::get<const Referent*>(found);
      if (referent == nullptr) continue;
      std::string invalid;
      for (const auto& [entry, value] : referent->data) {
        const std::string name = prefix + entry;
        if (!IsVariableName(name)) {
          invalid += (invalid.empty() ? "" : ", ") + name;
          continue;
        }
        variables[name] =
            kind == Kind::kSecret ? SecretReference(name, key, entry) : Literal(name, value, false);
      }
      if (!invalid.empty()) {
        Notice("InvalidEnvironmentVariableNames",
               "Keys [" + invalid + "] from the EnvFrom " + LowerKind(kind) + " " + ns_ + "/" + key.name +
                   " were skipped since they are considered invalid environment "
                   "variable names.");
      }
    }
    return std::nullopt;
  }

  std::variant<std::optional<v1::EnvVar>, Failure> FromKey(const std::string& name, const Json& source,
                                                           Kind kind) {
    const ReferentKey key{kind, ns_, TextAt(source, {"name"})};
    const bool optional = BoolAt(source, {"optional"}, false);
    const std::string entry = TextAt(source, {"key"});
    auto found = Need(key, optional);
    if (auto* failure = std::get_if<Failure>(&found)) return std::move(*failure);
    const Referent* referent = std::get<const Referent*>(found);
    if (referent == nullptr) return std::optional<v1::EnvVar>();
    const auto value = referent->data.find(entry);
    if (value == referent->data.end()) {
      Notice(std::string(optional ? "Optional" : "Mandatory") + KindName(kind) + "KeyNotFound",
             LowerKind(kind) + " \"" + key.name + "\" has no key \"" + entry + "\"");
      if (optional) return std::optional<v1::EnvVar>();
      return Failure{"couldn't find key " + entry + " in " + KindName(kind) + " " + ns_ + "/" + key.name, ""};
    }
    if (kind == Kind::kSecret) return std::optional(SecretReference(name, key, entry));
    return std::optional(Literal(name, value->second, false));
  }

  std::variant<std::optional<v1::EnvVar>, Failure> FromField(const std::string& name, const Json& source) {
    const std::string path = TextAt(source, {"fieldPath"});
    const auto literal = [&name](std::string value) {
      return std::optional(Literal(name, std::move(value), false));
    };
    if (path == "metadata.name" || path == "metadata.namespace" || path == "metadata.uid") {
      return literal(TextAt(pod_, {"metadata", path.substr(9)}));
    }
    for (const char* map : {"labels", "annotations"}) {
      const std::string whole = "metadata." + std::string(map);
      if (path == whole) {
        const Json* entries = Find(pod_, {"metadata", map});
        return literal(entries == nullptr ? "" : FormatMap(*entries));
      }
      if (const auto key = DownwardKey(path, whole)) return literal(TextAt(pod_, {"metadata", map, *key}));
    }
    if (path == "spec.nodeName" || path == "spec.host") return literal(TextAt(pod_, {"spec", "nodeName"}));
    if (path == "spec.serviceAccountName") return literal(TextAt(pod_, {"spec", "serviceAccountName"}));
    if (path == "status.podIP" || path == "status.podIPs" || path == "status.hostIP" ||
        path == "status.hostIPs") {
      v1::EnvVar variable;
      variable.set_name(name);
      variable.set_host_field(path);
      return std::optional(std::move(variable));
    }
    return Failure{"unsupported fieldPath: " + path, ""};
  }

  /// The quantity at `kind` ("limits") of a container or of the pod's own resources; empty when there is none
  /// or it is zero for a limit.
  static std::string QuantityText(const Json& owner, const std::string& kind, const std::string& resource) {
    const Json* value = Find(owner, {"resources", kind, resource});
    if (value == nullptr) return "";
    return value->is_string() ? value->get<std::string>() : value->dump();
  }

  std::variant<std::optional<v1::EnvVar>, Failure> FromResource(const std::string& name,
                                                                const Json& container, const Json& source) {
    const std::string field = TextAt(source, {"resource"});
    const std::string target = TextAt(source, {"containerName"}).empty() ? TextAt(container, {"name"})
                                                                         : TextAt(source, {"containerName"});
    const auto dot = field.find('.');
    const std::string kind = field.substr(0, dot == std::string::npos ? 0 : dot);
    const std::string resource = dot == std::string::npos ? "" : field.substr(dot + 1);
    const bool cpu = resource == "cpu";
    const bool plain = cpu || resource == "memory" || resource == "ephemeral-storage";
    if ((kind != "limits" && kind != "requests") || (!plain && resource.rfind("hugepages-", 0) != 0)) {
      return Failure{"unsupported container resource : " + field, ""};
    }
    const Json* owner = nullptr;
    for (const char* list : {"containers", "initContainers"}) {
      for (const Json& other : ArrayAt(pod_, {"spec", list})) {
        if (TextAt(other, {"name"}) == target) owner = &other;
      }
    }
    if (owner == nullptr) return Failure{"container " + target + " not found", ""};

    const auto read = [cpu](const std::string& text) {
      return cpu ? ParseQuantityMilli(text) : ParseQuantityBytes(text);
    };
    const Json* divisor_value = Find(source, {"divisor"});
    std::string divisor_text = "1";
    if (divisor_value != nullptr && !divisor_value->is_null()) {
      divisor_text = divisor_value->is_string() ? divisor_value->get<std::string>() : divisor_value->dump();
    }
    auto divisor = read(divisor_text == "0" ? "1" : divisor_text);
    if (!divisor.ok()) return Failure{"resourceFieldRef divisor: " + Message(divisor.status()), ""};
    if (*divisor <= 0)
      return Failure{"resourceFieldRef divisor: \"" + divisor_text + "\" is not positive", ""};

    const bool limit = kind == "limits";
    for (const Json* from : {owner, limit && plain ? Find(pod_, {"spec"}) : nullptr}) {
      if (from == nullptr) continue;
      const std::string text = QuantityText(*from, kind, resource);
      if (text.empty()) continue;
      const auto value = read(text);
      if (!value.ok()) return Failure{"resources." + field + ": " + Message(value.status()), ""};
      if (limit && plain && *value == 0) continue;
      const std::int64_t units = *value / *divisor + (*value % *divisor != 0 ? 1 : 0);
      return std::optional(Literal(name, std::to_string(units), false));
    }
    if (!limit || !plain) return std::optional(Literal(name, "0", false));
    // Only the host knows its allocatable.
    v1::EnvVar variable;
    variable.set_name(name);
    variable.mutable_resource()->set_container(target);
    variable.mutable_resource()->set_resource(field);
    variable.mutable_resource()->set_divisor(*divisor);
    return std::optional(std::move(variable));
  }

  std::variant<std::optional<v1::EnvVar>, Failure> One(const Json& container, const Json& env,
                                                       const std::string& field) {
    const std::string name = TextAt(env, {"name"});
    const Json* from = Find(env, {"valueFrom"});
    if (from == nullptr || !from->is_object())
      return std::optional(Literal(name, TextAt(env, {"value"}), true));
    if (const Json* source = Find(*from, {"configMapKeyRef"}))
      return FromKey(name, *source, Kind::kConfigMap);
    if (const Json* source = Find(*from, {"secretKeyRef"})) return FromKey(name, *source, Kind::kSecret);
    if (const Json* source = Find(*from, {"fieldRef"})) return FromField(name, *source);
    if (const Json* source = Find(*from, {"resourceFieldRef"})) return FromResource(name, container, *source);
    const std::string unknown = from->empty() ? "" : "." + from->items().begin().key();
    return Failure{"this source of a variable is not supported", field + ".valueFrom" + unknown};
  }

  void ResolveContainer(const Json& container, const std::string& field) {
    container_ = TextAt(container, {"name"});
    if (auto failure = Variables(container, field)) {
      result_.config_errors[container_] = failure->message;
      if (!failure->refused_field.empty() && !result_.refusal) {
        v1::Refusal refusal;
        refusal.set_reason("PodFeatureUnsupported");
        refusal.set_field(failure->refused_field);
        refusal.set_message(failure->message);
        result_.refusal = std::move(refusal);
      }
    }
    container_.clear();
  }

  std::optional<Failure> Variables(const Json& container, const std::string& field) {
    std::map<std::string, v1::EnvVar> from;
    for (const auto& [name, value] : service_variables_) from[name] = Literal(name, value, false);
    for (const Json& source : ArrayAt(container, {"envFrom"})) {
      if (auto failure = AddFrom(source, from)) return failure;
    }
    v1::ContainerEnvironment environment;
    environment.set_container(container_);
    for (auto& [name, variable] : from) *environment.add_env() = std::move(variable);
    const Json& env = ArrayAt(container, {"env"});
    for (std::size_t i = 0; i < env.size(); ++i) {
      auto variable = One(container, env[i], field + ".env[" + std::to_string(i) + "]");
      if (auto* failure = std::get_if<Failure>(&variable)) return std::move(*failure);
      auto& value = std::get<std::optional<v1::EnvVar>>(variable);
      if (value) *environment.add_env() = *std::move(value);
    }
    result_.containers.push_back(std::move(environment));
    return std::nullopt;
  }

  /// Volumes, and which contents exist.
  void CheckContents() {
    std::set<std::string> present;
    for (const Reference& reference : CollectReferences(pod_)) {
      const Referent& referent = Look(reference.key);
      const std::string object = LowerKind(reference.key.kind) + " \"" + reference.key.name + "\"";
      const bool mounted = reference.use == Reference::Use::kVolume;
      const std::string which = reference.optional ? "Optional" : "Mandatory";
      const std::string failed = "MountVolume.SetUp failed for volume \"" + reference.volume + "\" : ";
      switch (referent.state) {
        case Referent::State::kUnread:
          break;
        case Referent::State::kPresent:
          present.insert(ContentIdOf(reference.key));
          for (const auto& key : reference.keys) {
            if (reference.optional || referent.data.count(key) + referent.binary_data.count(key) > 0)
              continue;
            result_.mount_errors.push_back(MissingKeyError(failed, object, key));
            Notice(which + KindName(reference.key.kind) + "KeyNotFound", HasNoKey(object, key));
          }
          break;
        case Referent::State::kMissing:
          if (!mounted) break;
          Notice(which + KindName(reference.key.kind) + "NotFound", object + " not found");
          if (!reference.optional) result_.mount_errors.push_back(failed + object + " not found");
          break;
        case Referent::State::kUnreadable:
          if (!mounted) break;
          Notice("FailedToRead" + which + KindName(reference.key.kind), object + ": " + referent.error);
          result_.mount_errors.push_back(failed + object + ": " + referent.error);
          break;
      }
    }
    result_.references.assign(present.begin(), present.end());
  }

  const Json& pod_;
  const ReferentLookup& referents_;
  const std::string ns_;
  const std::map<std::string, std::string> service_variables_;
  std::string container_;
  Environment result_;
};

}  // namespace

Environment ResolveEnvironment(const Json& pod, const ReferentLookup& referents,
                               const std::vector<ServiceAddress>& services) {
  return Resolver(pod, referents, services).Resolve();
}

}  // namespace slicelet::shim
