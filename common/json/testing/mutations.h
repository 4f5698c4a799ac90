#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/testing/sanitized.h"

namespace slicelet {

struct Mutation {
  /// "/spec/containers/0/name = 5"
  std::string what;
  nlohmann::json object;
};

/// With so many values each member is replaced; under a sanitizer some of them, others for the next member.
inline constexpr int kMutationsEach = kSanitized ? 3 : 10;

/// The object once for each of its members, however deep, and each JSON value that the member is replaced by.
inline std::vector<Mutation> MutationsOf(const nlohmann::json& object, const std::string& below = "") {
  using Json = nlohmann::json;
  std::vector<std::string> pointers;
  const auto collect = [&](const auto& self, const Json& at, const std::string& pointer) -> void {
    if (!pointer.empty()) pointers.push_back(pointer);
    if (at.is_array()) {
      for (std::size_t i = 0; i < at.size(); ++i) self(self, at[i], pointer + "/" + std::to_string(i));
    } else if (at.is_object()) {
      for (const auto& [key, value] : at.items())
        self(self, value, (Json::json_pointer(pointer) / key).to_string());
    }
  };
  collect(collect, object.at(Json::json_pointer(below)), below);
  const Json values = Json::array({5,
                                   -1.5,
                                   "x",
                                   true,
                                   nullptr,
                                   Json::object(),
                                   Json::array(),
                                   Json::array({5}),
                                   Json::array({nullptr}),
                                   {{"x", 5}}});
  std::vector<Mutation> mutations;
  std::size_t next = 0;
  for (const std::string& pointer : pointers) {
    for (int n = 0; n < kMutationsEach; ++n) {
      const Json& value = values[next++ % values.size()];
      Json changed = object;
      changed[Json::json_pointer(pointer)] = value;
      mutations.push_back({pointer + " = " + value.dump(), std::move(changed)});
    }
  }
  return mutations;
}

/// A pod and a Service with a member of every kind that we read.
inline nlohmann::json FullPod() {
  return nlohmann::json::parse(R"({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "finalizers": ["a/b"],
      "annotations": {"slicelet.io/autonomy": "10m", "slicelet.io/depends-on": "b=a"},
      "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": true}]},
    "spec": {
      "nodeName": "edge-1", "restartPolicy": "Always", "terminationGracePeriodSeconds": 5, "hostNetwork": true,
      "enableServiceLinks": true, "serviceAccountName": "default", "automountServiceAccountToken": false,
      "hostname": "web", "dnsPolicy": "None", "nodeSelector": {"a": "b"}, "activeDeadlineSeconds": 60,
      "dnsConfig": {"nameservers": ["192.0.2.1"], "searches": ["a"], "options": [{"name": "ndots", "value": "1"}]},
      "hostAliases": [{"ip": "192.0.2.9", "hostnames": ["x"]}],
      "imagePullSecrets": [{"name": "registry"}],
      "readinessGates": [{"conditionType": "a/b"}],
      "securityContext": {"runAsUser": 1, "supplementalGroups": [2], "seccompProfile": {"type": "RuntimeDefault"}},
      "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                       "tolerationSeconds": 300}],
      "initContainers": [{"name": "init", "image": "i:1", "restartPolicy": "Always"}],
      "containers": [
        {"name": "a", "image": "a:1", "imagePullPolicy": "Always", "command": ["sh"], "args": ["-c"], "workingDir": "/",
         "env": [{"name": "A", "value": "1"},
                 {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                 {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k", "optional": true}}},
                 {"name": "D", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
                 {"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
         "envFrom": [{"prefix": "P", "configMapRef": {"name": "m", "optional": true}},
                     {"secretRef": {"name": "s", "optional": true}}],
         "ports": [{"name": "http", "containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
         "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m"}},
         "livenessProbe": {"httpGet": {"path": "/", "port": 80, "httpHeaders": [{"name": "a", "value": "b"}]},
                           "periodSeconds": 1},
         "readinessProbe": {"exec": {"command": ["true"]}},
         "startupProbe": {"grpc": {"port": 1, "service": "s"}},
         "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
         "securityContext": {"privileged": false, "capabilities": {"add": ["NET_ADMIN"]}},
         "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true, "subPath": "x"}]},
        {"name": "b", "image": "b:1", "livenessProbe": {"tcpSocket": {"port": 81}}}],
      "volumes": [
        {"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "p", "mode": 420}], "optional": true}},
        {"name": "w", "secret": {"secretName": "s", "optional": true}},
        {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "h", "hostPath": {"path": "/h", "type": "Directory"}},
        {"name": "d", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "p", "projected": {"sources": [
          {"serviceAccountToken": {"path": "t", "expirationSeconds": 600, "audience": "a"}},
          {"configMap": {"name": "m", "optional": true}}, {"secret": {"name": "s", "optional": true}},
          {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}]}})");
}

inline nlohmann::json FullService() {
  return nlohmann::json::parse(R"({
    "apiVersion": "v1", "kind": "Service",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "selector": {"app": "web"},
             "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]}})");
}

}  // namespace slicelet
