#include "kube/cluster/defaults.h"

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

/// What is no object, nor nothing, is left to whoever checks it.
bool TakesMembers(const Json& value) { return value.is_object() || value.is_null(); }

void Default(Json& object, const char* key, Json value) {
  if (!TakesMembers(object)) return;
  auto& slot = object[key];
  if (slot.is_null()) slot = std::move(value);
}

/// The list member, or an empty list that belongs to nobody.
Json& ListIn(Json& object, const char* key) {
  static thread_local Json none;
  none = Json::array();
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_array() ? *it : none;
}

Json* ObjectIn(Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it != object.end() && it->is_object() ? &*it : nullptr;
}

std::string PullPolicy(const std::string& image) {
  if (image.find('@') != std::string::npos) return "IfNotPresent";
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == std::string::npos ? 0 : slash);
  const std::string tag = colon == std::string::npos ? "latest" : image.substr(colon + 1);
  return tag == "latest" ? "Always" : "IfNotPresent";
}

void DefaultHandler(Json& handler) {
  if (Json* http = ObjectIn(handler, "httpGet")) {
    Default(*http, "path", "/");
    Default(*http, "scheme", "HTTP");
  }
  if (Json* grpc = ObjectIn(handler, "grpc")) Default(*grpc, "service", "");
}

void DefaultProbe(Json& container, const char* key) {
  Json* probe = ObjectIn(container, key);
  if (probe == nullptr) return;
  DefaultHandler(*probe);
  Default(*probe, "timeoutSeconds", 1);
  Default(*probe, "periodSeconds", 10);
  Default(*probe, "successThreshold", 1);
  Default(*probe, "failureThreshold", 3);
}

void DefaultContainer(Json& container, bool host_network) {
  if (!container.is_object()) return;
  Default(container, "imagePullPolicy", PullPolicy(TextAt(container, {"image"})));
  Default(container, "terminationMessagePath", "/dev/termination-log");
  Default(container, "terminationMessagePolicy", "File");
  Default(container, "resources", Json::object());
  Json& resources = container["resources"];
  if (const Json* limits = ObjectIn(resources, "limits")) {
    for (const auto& [name, limit] : limits->items()) {
      if (!TakesMembers(resources["requests"])) break;
      if (!resources["requests"].contains(name)) resources["requests"][name] = limit;
    }
  }
  for (Json& port : ListIn(container, "ports")) {
    Default(port, "protocol", "TCP");
    if (host_network && port.contains("containerPort")) Default(port, "hostPort", port["containerPort"]);
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    DefaultProbe(container, probe);
  if (Json* lifecycle = ObjectIn(container, "lifecycle")) {
    for (const char* hook : {"postStart", "preStop"}) {
      if (Json* handler = ObjectIn(*lifecycle, hook)) DefaultHandler(*handler);
    }
  }
  for (Json& variable : ListIn(container, "env")) {
    Json* from = ObjectIn(variable, "valueFrom");
    Json* field = from == nullptr ? nullptr : ObjectIn(*from, "fieldRef");
    if (field != nullptr) Default(*field, "apiVersion", "v1");
  }
}

void DefaultVolume(Json& volume) {
  if (!volume.is_object()) return;
  if (volume.size() == 1 && volume.contains("name")) volume["emptyDir"] = Json::object();
  for (const char* source : {"configMap", "secret", "downwardAPI", "projected"}) {
    if (Json* found = ObjectIn(volume, source)) Default(*found, "defaultMode", 420);
  }
  if (Json* host = ObjectIn(volume, "hostPath")) Default(*host, "type", "");
  const auto default_fields = [](Json& downward) {
    for (Json& item : ListIn(downward, "items")) {
      if (Json* field = ObjectIn(item, "fieldRef")) Default(*field, "apiVersion", "v1");
    }
  };
  if (Json* downward = ObjectIn(volume, "downwardAPI")) default_fields(*downward);
  if (Json* projected = ObjectIn(volume, "projected")) {
    for (Json& source : ListIn(*projected, "sources")) {
      if (Json* token = ObjectIn(source, "serviceAccountToken")) Default(*token, "expirationSeconds", 3'600);
      if (Json* downward = ObjectIn(source, "downwardAPI")) default_fields(*downward);
    }
  }
}

void DefaultPod(Json& pod) {
  Json& spec = pod["spec"];
  if (!TakesMembers(spec)) return;
  Default(spec, "restartPolicy", "Always");
  Default(spec, "terminationGracePeriodSeconds", 30);
  Default(spec, "dnsPolicy", "ClusterFirst");
  Default(spec, "schedulerName", "default-scheduler");
  Default(spec, "securityContext", Json::object());
  Default(spec, "enableServiceLinks", true);
  Default(spec, "serviceAccountName", "default");
  Default(spec, "serviceAccount", spec["serviceAccountName"]);
  Default(spec, "priority", 0);
  Default(spec, "preemptionPolicy", "PreemptLowerPriority");
  const bool host_network = spec.contains("hostNetwork") && spec["hostNetwork"] == true;
  for (const char* list : {"initContainers", "containers"}) {
    for (Json& container : ListIn(spec, list)) DefaultContainer(container, host_network);
  }
  for (Json& volume : ListIn(spec, "volumes")) DefaultVolume(volume);
  // Admission plugin DefaultTolerationSeconds.
  Default(spec, "tolerations", Json::array());
  Json& tolerations = spec["tolerations"];
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool tolerated = false;
    for (const Json& toleration : tolerations) {
      const std::string effect = TextAt(toleration, {"effect"});
      const std::string held = TextAt(toleration, {"key"});
      if ((held == key || held.empty()) && (effect == "NoExecute" || effect.empty())) tolerated = true;
    }
    if (tolerated || !tolerations.is_array()) continue;
    tolerations.push_back(
        {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
  }
  Default(pod, "status", Json::object());
  Default(pod["status"], "phase", "Pending");
  Default(pod["status"], "qosClass", QosClass(pod));
}

void DefaultService(Json& service) {
  Json& spec = service["spec"];
  if (!TakesMembers(spec)) return;
  Default(spec, "type", "ClusterIP");
  Default(spec, "sessionAffinity", "None");
  for (Json& port : ListIn(spec, "ports")) {
    Default(port, "protocol", "TCP");
    if (port.contains("port")) Default(port, "targetPort", port["port"]);
  }
}

void DefaultSecret(Json& secret) {
  Default(secret, "type", "Opaque");
  const auto plain = secret.find("stringData");
  if (plain == secret.end()) return;
  if (plain->is_object() && TakesMembers(secret["data"])) {
    for (const auto& [key, value] : plain->items()) {
      if (value.is_string()) secret["data"][key] = Base64Encode(value.get<std::string>());
    }
  }
  if (secret["data"].is_null()) secret.erase("data");
  secret.erase("stringData");
}

}  // namespace

std::string QosClass(const Json& pod) {
  bool any = false;
  bool guaranteed = true;
  for (const char* list : {"initContainers", "containers"}) {
    const Json* containers = Find(pod, {"spec", list});
    if (containers == nullptr || !containers->is_array()) continue;
    for (const Json& container : *containers) {
      for (const char* resource : {"cpu", "memory"}) {
        const Json* request = Find(container, {"resources", "requests", resource});
        const Json* limit = Find(container, {"resources", "limits", resource});
        any = any || request != nullptr || limit != nullptr;
        guaranteed = guaranteed && limit != nullptr && (request == nullptr || *request == *limit);
      }
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

void ApplyDefaults(const Resource& resource, Json& object) {
  if (resource == kPods) DefaultPod(object);
  if (resource == kServices) DefaultService(object);
  if (resource == kSecrets) DefaultSecret(object);
}

}  // namespace slicelet::kube
