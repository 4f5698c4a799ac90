#include "kubelet-shim/env/referents.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using kube::Find;
using kube::TextAt;

bool IsOptional(const Json& source) {
  const Json* optional = Find(source, {"optional"});
  return optional != nullptr && optional->is_boolean() && optional->get<bool>();
}

/// Calls `visit` for every element of the array at the path; a missing or other value is an empty array.
template <typename Visitor>
void ForEach(const Json& object, std::initializer_list<std::string_view> path, Visitor visit) {
  const Json* array = Find(object, path);
  if (array == nullptr || !array->is_array()) return;
  for (const Json& element : *array) visit(element);
}

class Collector {
 public:
  explicit Collector(const Json& pod) : ns_(kube::NamespaceOf(pod)) {
    for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
      ForEach(pod, {"spec", list}, [this](const Json& container) { AddContainer(container); });
    }
    ForEach(pod, {"spec", "volumes"}, [this](const Json& volume) { AddVolume(volume); });
    ForEach(pod, {"spec", "imagePullSecrets"}, [this](const Json& secret) {
      Add(ReferentKey::Kind::kSecret, TextAt(secret, {"name"}),
          {.use = Reference::Use::kPullSecret, .optional = true});
    });
  }

  std::vector<Reference> Take() { return std::move(references_); }

 private:
  void Add(ReferentKey::Kind kind, const std::string& name, Reference reference) {
    if (name.empty()) return;
    reference.key = {kind, ns_, name};
    references_.push_back(std::move(reference));
  }

  void AddContainer(const Json& container) {
    ForEach(container, {"envFrom"}, [this](const Json& from) {
      if (const Json* source = Find(from, {"configMapRef"})) {
        Add(ReferentKey::Kind::kConfigMap, TextAt(*source, {"name"}), {.optional = IsOptional(*source)});
      }
      if (const Json* source = Find(from, {"secretRef"})) {
        Add(ReferentKey::Kind::kSecret, TextAt(*source, {"name"}), {.optional = IsOptional(*source)});
      }
    });
    ForEach(container, {"env"}, [this](const Json& env) {
      if (const Json* source = Find(env, {"valueFrom", "configMapKeyRef"})) {
        Add(ReferentKey::Kind::kConfigMap, TextAt(*source, {"name"}), {.optional = IsOptional(*source)});
      }
      if (const Json* source = Find(env, {"valueFrom", "secretKeyRef"})) {
        Add(ReferentKey::Kind::kSecret, TextAt(*source, {"name"}), {.optional = IsOptional(*source)});
      }
    });
  }

  void AddContent(ReferentKey::Kind kind, const std::string& name, const std::string& volume,
                  const Json& source) {
    Reference reference{.use = Reference::Use::kVolume, .optional = IsOptional(source), .volume = volume};
    ForEach(source, {"items"},
            [&reference](const Json& item) { reference.keys.push_back(TextAt(item, {"key"})); });
    Add(kind, name, std::move(reference));
  }

  void AddVolume(const Json& volume) {
    const std::string name = TextAt(volume, {"name"});
    if (const Json* source = Find(volume, {"configMap"})) {
      AddContent(ReferentKey::Kind::kConfigMap, TextAt(*source, {"name"}), name, *source);
    }
    if (const Json* source = Find(volume, {"secret"})) {
      AddContent(ReferentKey::Kind::kSecret, TextAt(*source, {"secretName"}), name, *source);
    }
    ForEach(volume, {"projected", "sources"}, [this, &name](const Json& source) {
      if (const Json* map = Find(source, {"configMap"})) {
        AddContent(ReferentKey::Kind::kConfigMap, TextAt(*map, {"name"}), name, *map);
      }
      if (const Json* secret = Find(source, {"secret"})) {
        AddContent(ReferentKey::Kind::kSecret, TextAt(*secret, {"name"}), name, *secret);
      }
    });
  }

  std::string ns_;
  std::vector<Reference> references_;
};

}  // namespace

std::string KindName(ReferentKey::Kind kind) {
  return kind == ReferentKey::Kind::kConfigMap ? "ConfigMap" : "Secret";
}

std::string ContentIdOf(const ReferentKey& key) {
  return (key.kind == ReferentKey::Kind::kConfigMap ? "configmap/" : "secret/") + key.name;
}

absl::StatusOr<Referent> ParseReferent(ReferentKey::Kind kind, const Json& object) {
  Referent referent;
  referent.state = Referent::State::kPresent;
  referent.resource_version = kube::ResourceVersionOf(object);
  referent.type = TextAt(object, {"type"});
  const auto read = [&](const char* member, bool encoded,
                        std::map<std::string, std::string>& into) -> absl::Status {
    const Json* entries = Find(object, {member});
    if (entries == nullptr || !entries->is_object()) return absl::OkStatus();
    for (const auto& [key, value] : entries->items()) {
      if (!value.is_string()) {
        return absl::InvalidArgumentError(KindName(kind) + " " + kube::NameOf(object) + ": " + member + "[" +
                                          key + "] is not a string");
      }
      if (!encoded) {
        into[key] = value.get<std::string>();
        continue;
      }
      auto decoded = Base64Decode(value.get<std::string>());
      if (!decoded.ok()) {
        return absl::InvalidArgumentError(KindName(kind) + " " + kube::NameOf(object) + ": " + member + "[" +
                                          key + "] is not base64");
      }
      into[key] = *std::move(decoded);
    }
    return absl::OkStatus();
  };
  SLICELET_RETURN_IF_ERROR(read("data", kind == ReferentKey::Kind::kSecret, referent.data));
  if (kind == ReferentKey::Kind::kConfigMap) {
    SLICELET_RETURN_IF_ERROR(read("binaryData", true, referent.binary_data));
  }
  return referent;
}

v1::FileSet ContentOf(const Referent& referent) {
  std::map<std::string, const std::string*> files;
  for (const auto& [key, data] : referent.data) files[key] = &data;
  for (const auto& [key, data] : referent.binary_data) files[key] = &data;
  v1::FileSet content;
  for (const auto& [key, data] : files) {
    auto* file = content.add_files();
    file->set_key(key);
    file->set_data(*data);
  }
  return content;
}

std::vector<Reference> CollectReferences(const Json& pod) { return Collector(pod).Take(); }

std::set<ReferentKey> CollectConnectorMaps(const Json& pod) {
  std::set<ReferentKey> keys;
  if (TextAt(pod, {"metadata", "annotations", "isEdgeDeployment"}) != "true") return keys;
  const auto add = [&](const std::string& name) {
    keys.insert({ReferentKey::Kind::kConfigMap, kube::NamespaceOf(pod), name});
  };
  add("edgehub");
  add("edgeagent");
  const Json* containers = Find(pod, {"spec", "containers"});
  if (containers == nullptr || !containers->is_array()) return keys;
  for (const Json& container : *containers) add(TextAt(container, {"name"}));
  return keys;
}

}  // namespace slicelet::shim
