#include "provider/controllers/pod_parts.h"

#include <utility>

#include "kube/object.h"

namespace slicelet::provider {

Json Container(const std::string& name, const std::string& image) {
  return {{"name", name}, {"image", image}, {"imagePullPolicy", "IfNotPresent"}};
}

Json Env(const std::string& name, const std::string& value) { return {{"name", name}, {"value", value}}; }

Json EnvOfSecret(const std::string& name, const std::string& secret, const std::string& key) {
  return {{"name", name}, {"valueFrom", {{"secretKeyRef", {{"name", secret}, {"key", key}}}}}};
}

Json Mount(const std::string& name, const std::string& path) { return {{"name", name}, {"mountPath", path}}; }

Json Resources(const char* cpu, const char* memory, const char* limit) {
  return {{"requests", {{"cpu", cpu}, {"memory", memory}}}, {"limits", {{"memory", limit}}}};
}

Json User(int id) { return {{"runAsUser", id}, {"runAsGroup", id}, {"allowPrivilegeEscalation", false}}; }

Json Shell(const std::string& script) { return Json::array({"sh", "-c", script}); }

Json TcpProbe(int port) { return {{"tcpSocket", {{"port", port}}}, {"timeoutSeconds", kProbeSeconds}}; }

Json HttpProbe(int port, const std::string& path) {
  return {{"httpGet", {{"path", path}, {"port", port}}}, {"timeoutSeconds", kProbeSeconds}};
}

void Probe(Json& container, Json probe) {
  container["livenessProbe"] = probe;
  probe["periodSeconds"] = 1;
  probe["failureThreshold"] = 120;
  container["startupProbe"] = std::move(probe);
}

void Append(Json& object, const char* list, Json entry) {
  Json& entries = object[list];
  if (!entries.is_array()) entries = Json::array();
  entries.push_back(std::move(entry));
}

void ReplaceImages(const Json& owner, Json& spec) {
  if (const Json* secrets = kube::Find(owner, {"spec", "imagePullSecrets"})) {
    for (const Json& name : *secrets) Append(spec, "imagePullSecrets", {{"name", name}});
  }
  const Json* images = kube::Find(owner, {"spec", "images"});
  if (images == nullptr || !images->is_object()) return;
  for (Json& container : spec["containers"]) {
    if (const auto it = images->find(kube::TextAt(container, {"name"})); it != images->end()) {
      container["image"] = *it;
    }
  }
}

}  // namespace slicelet::provider
