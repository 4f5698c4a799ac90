// Tries out every row of docs/compatibility.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "provider/translate/translate.h"

namespace slicelet::provider {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Row {
  std::string field;
  std::string verdict;
};

/// What a row's sample pod differs in from the plainest one, and what has to come of it.
struct Case {
  std::string field;
  Json pod;
  /// Honoured: a part of the workload as text. Refused and ignored: the exact path named.
  std::string expected;
};

Json PlainPod() {
  return Json::parse(R"({"metadata": {"uid": "u-1", "name": "web", "namespace": "shop"},
                         "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]}})");
}

Json Metadata(const char* patch) {
  Json pod = PlainPod();
  pod["metadata"].merge_patch(Json::parse(patch));
  return pod;
}

Json Spec(const char* patch) {
  Json pod = PlainPod();
  pod["spec"].merge_patch(Json::parse(patch));
  return pod;
}

Json Main(const char* patch) {
  Json pod = PlainPod();
  pod["spec"]["containers"][0].merge_patch(Json::parse(patch));
  return pod;
}

/// A pod with one volume "v", mounted at /v.
Json Volume(const char* source, const char* mount = "{}") {
  Json pod = PlainPod();
  Json volume = {{"name", "v"}};
  volume.merge_patch(Json::parse(source));
  pod["spec"]["volumes"] = Json::array({volume});
  Json entry = {{"name", "v"}, {"mountPath", "/v"}};
  entry.merge_patch(Json::parse(mount));
  pod["spec"]["containers"][0]["volumeMounts"] = Json::array({entry});
  return pod;
}

Json Projected(const char* source) {
  return Volume((std::string(R"({"projected": {"sources": [)") + source + "]}}").c_str());
}

std::vector<Case> MetadataCases() {
  return {
      {"metadata.labels", Metadata(R"({"labels": {"app": "web"}})"), R"(labels { key: "app" value: "web" })"},
      {"metadata.annotations", Metadata(R"({"annotations": {"a": "b"}})"),
       R"(annotations { key: "a" value: "b" })"},
      {"metadata.labels[slicelet.io/role]", Metadata(R"({"labels": {"slicelet.io/role": "gateway"}})"),
       "role: ROLE_GATEWAY"},
      {"metadata.annotations[slicelet.io/priority]",
       Metadata(R"({"annotations": {"slicelet.io/priority": "-7"}})"), "priority: -7"},
      {"metadata.annotations[slicelet.io/autonomy]",
       Metadata(R"({"annotations": {"slicelet.io/autonomy": "1h30m"}})"), "autonomy: 5400000000000"},
      {"metadata.annotations[slicelet.io/log-tail]",
       Metadata(R"({"annotations": {"slicelet.io/log-tail": "10m"}})"), "at_exit: true every_ms: 600000"},
      {"metadata.annotations[slicelet.io/api-access]",
       [] {
         Json pod = Volume(R"({"name": "kube-api-access-x1z2y",
                               "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}})",
                           R"({"name": "kube-api-access-x1z2y"})");
         pod["metadata"]["annotations"]["slicelet.io/api-access"] = "true";
         return pod;
       }(),
       R"(token { path: "token" credential: "kube-api-access-x1z2y/token" })"},
      {"metadata.annotations[slicelet.io/depends-on]",
       [] {
         Json pod = PlainPod();
         pod["spec"]["containers"].push_back(Json::parse(R"({"name": "db", "image": "x:1"})"));
         pod["metadata"]["annotations"]["slicelet.io/depends-on"] = "main=db";
         return pod;
       }(),
       R"(depends_on: "db")"},
      {"metadata.annotations[slicelet.io/iot-devices]",
       [] {
         Json pod = Volume(R"({"configMap": {"name": "sensors"}})");
         pod["metadata"]["labels"]["slicelet.io/role"] = "gateway";
         pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = "v";
         return pod;
       }(),
       R"(devices_volume: "v")"},
      {"metadata.annotations[slicelet.io/per-host-secrets]",
       [] {
         Json pod = Volume(R"({"secret": {"secretName": "keys"}})");
         pod["metadata"]["annotations"]["slicelet.io/per-host-secrets"] = "keys";
         return pod;
       }(),
       R"(per_host: "secret/keys")"},
      {"metadata.annotations[slicelet.io/window]",
       Metadata(R"({"annotations": {"slicelet.io/window": "Mon 22:00-23:00"}})"),
       "metadata.annotations[slicelet.io/window]"},
      {"metadata.ownerReferences[].kind",
       Metadata(
           R"({"ownerReferences": [{"kind": "DaemonSet", "name": "d", "uid": "u", "apiVersion": "apps/v1"}]})"),
       "spec.tolerations"},
  };
}

std::vector<Case> PodCases() {
  return {
      {"spec.containers", PlainPod(), R"(containers { name: "main" image: "registry.example/app:1")"},
      {"spec.initContainers", Spec(R"({"initContainers": [{"name": "i", "image": "x/y:1"}]})"),
       R"(init_containers { name: "i" image: "x/y:1")"},
      {"spec.initContainers[].restartPolicy",
       Spec(R"({"initContainers": [{"name": "i", "image": "x/y:1", "restartPolicy": "Always"}]})"),
       "sidecar: true"},
      {"spec.ephemeralContainers", Spec(R"({"ephemeralContainers": [{"name": "d"}]})"),
       "spec.ephemeralContainers"},
      {"spec.restartPolicy", Spec(R"({"restartPolicy": "OnFailure"})"),
       "restart_policy: RESTART_POLICY_ON_FAILURE"},
      {"spec.terminationGracePeriodSeconds", Spec(R"({"terminationGracePeriodSeconds": 7})"),
       "termination_grace_seconds: 7"},
      {"spec.activeDeadlineSeconds", Spec(R"({"activeDeadlineSeconds": 90})"), "active_deadline_seconds: 90"},
      {"spec.nodeName", Spec(R"({"nodeName": "gw-1"})"), R"(node_name: "gw-1")"},
      {"spec.nodeSelector", Spec(R"({"nodeSelector": {"type": "virtual-kubelet"}})"), "uid"},
      {"spec.affinity", Spec(R"({"affinity": {"podAffinity": {}}})"), "uid"},
      {"spec.tolerations", Spec(R"({"tolerations": [{"operator": "Exists"}]})"), "uid"},
      {"spec.topologySpreadConstraints", Spec(R"({"topologySpreadConstraints": [{"maxSkew": 1}]})"), "uid"},
      {"spec.schedulerName", Spec(R"({"schedulerName": "default-scheduler"})"), "uid"},
      {"spec.schedulingGates", Spec(R"({"schedulingGates": [{"name": "g"}]})"), "uid"},
      {"spec.priorityClassName", Spec(R"({"priorityClassName": "high"})"), "uid"},
      {"spec.priority", Spec(R"({"priority": 12})"), "priority: 12"},
      {"spec.preemptionPolicy", Spec(R"({"preemptionPolicy": "Never"})"), "uid"},
      {"spec.overhead", Spec(R"({"overhead": {"cpu": "1m"}})"), "spec.overhead"},
      {"spec.serviceAccountName", Spec(R"({"serviceAccountName": "robot"})"), R"(service_account: "robot")"},
      {"spec.serviceAccount", Spec(R"({"serviceAccount": "robot"})"), R"(service_account: "robot")"},
      {"spec.automountServiceAccountToken", Spec(R"({"automountServiceAccountToken": false})"), "uid"},
      {"spec.enableServiceLinks", Spec(R"({"enableServiceLinks": true})"), "uid"},
      {"spec.readinessGates", Spec(R"({"readinessGates": [{"conditionType": "x/y"}]})"), "uid"},
      {"spec.imagePullSecrets", Spec(R"({"imagePullSecrets": [{"name": "reg"}]})"),
       R"(pull_secrets: "secret/reg")"},
      {"spec.hostNetwork", Spec(R"({"hostNetwork": true})"), "host_network: true"},
      {"spec.hostPID", Spec(R"({"hostPID": true})"), "host_pid: true"},
      {"spec.hostIPC", Spec(R"({"hostIPC": true})"), "host_ipc: true"},
      {"spec.shareProcessNamespace", Spec(R"({"shareProcessNamespace": true})"),
       "share_process_namespace: true"},
      {"spec.hostname", Spec(R"({"hostname": "h"})"), R"(hostname: "h")"},
      {"spec.subdomain", Spec(R"({"subdomain": "s"})"), R"(subdomain: "s")"},
      {"spec.setHostnameAsFQDN", Spec(R"({"setHostnameAsFQDN": true})"), "spec.setHostnameAsFQDN"},
      {"spec.hostnameOverride", Spec(R"({"hostnameOverride": "h"})"), "spec.hostnameOverride"},
      {"spec.hostAliases", Spec(R"({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]})"),
       R"(host_aliases { ip: "10.0.0.1" hostnames: "a" hostnames: "b" })"},
      {"spec.dnsPolicy", Spec(R"({"dnsPolicy": "Default"})"), "dns { policy: DEFAULT }"},
      {"spec.dnsConfig", Spec(R"({"dnsConfig": {"nameservers": ["10.0.0.2"], "searches": ["x"],
                              "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}})"),
       R"(dns { nameservers: "10.0.0.2" searches: "x" options: "ndots:2" options: "edns0" })"},
      {"spec.hostUsers", Spec(R"({"hostUsers": false})"), "spec.hostUsers"},
      {"spec.os.name", Spec(R"({"os": {"name": "windows"}})"), "spec.os.name"},
      {"spec.runtimeClassName", Spec(R"({"runtimeClassName": "gvisor"})"), "spec.runtimeClassName"},
      {"spec.resourceClaims", Spec(R"({"resourceClaims": [{"name": "gpu"}]})"), "spec.resourceClaims"},
      {"spec.resources", Spec(R"({"resources": {"limits": {"cpu": "1"}}})"), "spec.resources"},
  };
}

std::vector<Case> PodSecurityCases() {
  const auto with = [](const std::string& patch) {
    return Spec((R"({"securityContext": )" + patch + "}").c_str());
  };
  const std::string path = "spec.securityContext.";
  return {
      {path + "runAsUser", with(R"({"runAsUser": 5})"), "security { run_as_user: 5 }"},
      {path + "runAsGroup", with(R"({"runAsGroup": 6})"), "security { run_as_group: 6 }"},
      {path + "runAsNonRoot", with(R"({"runAsNonRoot": true})"), "security { run_as_non_root: true }"},
      {path + "supplementalGroups", with(R"({"supplementalGroups": [7, 8]})"),
       "supplemental_groups: 7 supplemental_groups: 8"},
      {path + "supplementalGroupsPolicy", with(R"({"supplementalGroupsPolicy": "Strict"})"),
       path + "supplementalGroupsPolicy"},
      {path + "fsGroup", with(R"({"fsGroup": 9})"), "fs_group: 9"},
      {path + "fsGroupChangePolicy", with(R"({"fsGroupChangePolicy": "OnRootMismatch"})"),
       path + "fsGroupChangePolicy"},
      {path + "sysctls", with(R"({"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]})"),
       R"(sysctls { key: "net.core.somaxconn" value: "1024" })"},
      {path + "seccompProfile", with(R"({"seccompProfile": {"type": "Unconfined"}})"),
       "seccomp { profile: UNCONFINED }"},
      {path + "seLinuxOptions", with(R"({"seLinuxOptions": {"level": "s0"}})"), path + "seLinuxOptions"},
      {path + "seLinuxChangePolicy", with(R"({"seLinuxChangePolicy": "Recursive"})"),
       path + "seLinuxChangePolicy"},
      {path + "appArmorProfile", with(R"({"appArmorProfile": {"type": "RuntimeDefault"}})"),
       path + "appArmorProfile"},
      {path + "windowsOptions", with(R"({"windowsOptions": {"runAsUserName": "x"}})"),
       path + "windowsOptions"},
  };
}

std::vector<Case> ContainerCases() {
  const std::string path = "spec.containers[].";
  const std::string first = "spec.containers[0].";
  return {
      {path + "name", Main(R"({"name": "other"})"), R"(name: "other")"},
      {path + "image", Main(R"({"image": "registry.example/b:2"})"), R"(image: "registry.example/b:2")"},
      {path + "imagePullPolicy", Main(R"({"imagePullPolicy": "Never"})"), "pull_policy: PULL_POLICY_NEVER"},
      {path + "command", Main(R"({"command": ["sh", "-c"]})"), R"(command: "sh" command: "-c")"},
      {path + "args", Main(R"_({"args": ["$(A)"]})_"), R"_(args: "$(A)")_"},
      {path + "workingDir", Main(R"({"workingDir": "/w"})"), R"(working_dir: "/w")"},
      {path + "env", Main(R"({"env": [{"name": "A", "value": "1"}]})"),
       R"(env { name: "A" literal: "1" expand: true })"},
      {path + "env[].valueFrom",
       [] {
         Json pod =
             Main(R"({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]})");
         pod["spec"]["containers"][0]["name"] = "resolved";
         return pod;
       }(),
       R"(env { name: "R" secret { content_id: "secret/s" key: "k" } })"},
      {path + "env[].valueFrom.fileKeyRef",
       Main(R"({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"path": "f", "key": "k"}}}]})"),
       first + "env[0].valueFrom.fileKeyRef"},
      {path + "envFrom", Main(R"({"name": "resolved", "envFrom": [{"secretRef": {"name": "s"}}]})"),
       R"(env { name: "R" secret { content_id: "secret/s" key: "k" } })"},
      {path + "ports", Main(R"({"ports": [{"name": "web", "containerPort": 80}]})"),
       R"(ports { name: "web" container_port: 80 protocol: "TCP" })"},
      {path + "ports[].hostPort", Main(R"({"ports": [{"containerPort": 80, "hostPort": 8080}]})"),
       "host_port: 8080"},
      {path + "ports[].hostIP", Main(R"({"ports": [{"containerPort": 80, "hostIP": "127.0.0.1"}]})"),
       R"(host_ip: "127.0.0.1")"},
      {path + "resources.requests", Main(R"({"resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}})"),
       "requests { cpu_milli: 250 memory_bytes: 67108864 }"},
      {path + "resources.limits",
       Main(R"({"resources": {"limits": {"cpu": "1.5", "ephemeral-storage": "1G"}}})"),
       "limits { cpu_milli: 1500 ephemeral_storage_bytes: 1000000000 }"},
      {path + "resources.limits[example.com/gpu]",
       Main(R"({"resources": {"limits": {"example.com/gpu": "1"}}})"),
       first + "resources.limits[example.com/gpu]"},
      {path + "resources.claims", Main(R"({"resources": {"claims": [{"name": "gpu"}]}})"),
       first + "resources.claims"},
      {path + "resizePolicy",
       Main(R"({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]})"),
       first + "resizePolicy"},
      {path + "restartPolicy", Main(R"({"restartPolicy": "Never"})"), first + "restartPolicy"},
      {path + "restartPolicyRules", Main(R"({"restartPolicyRules": [{"action": "Restart"}]})"),
       first + "restartPolicyRules"},
      {path + "volumeMounts", Volume(R"({"emptyDir": {}})"), R"(mounts { volume: "v" path: "/v" })"},
      {path + "volumeMounts[].readOnly", Volume(R"({"emptyDir": {}})", R"({"readOnly": true})"),
       "read_only: true"},
      {path + "volumeMounts[].subPath", Volume(R"({"emptyDir": {}})", R"({"subPath": "a/b"})"),
       R"(sub_path: "a/b")"},
      {path + "volumeMounts[].subPathExpr", Volume(R"({"emptyDir": {}})", R"_({"subPathExpr": "$(A)"})_"),
       R"_(sub_path_expr: "$(A)")_"},
      {path + "volumeMounts[].mountPropagation",
       Volume(R"({"emptyDir": {}})", R"({"mountPropagation": "HostToContainer"})"),
       "propagation: HOST_TO_CONTAINER"},
      {path + "volumeMounts[].recursiveReadOnly",
       Volume(R"({"emptyDir": {}})", R"({"readOnly": true, "recursiveReadOnly": "Enabled"})"),
       first + "volumeMounts[0].recursiveReadOnly"},
      {path + "volumeDevices", Main(R"({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]})"),
       first + "volumeDevices"},
      {path + "lifecycle.postStart", Main(R"({"lifecycle": {"postStart": {"sleep": {"seconds": 3}}}})"),
       "post_start { sleep_seconds: 3 }"},
      {path + "lifecycle.preStop", Main(R"({"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}})"),
       R"(pre_stop { exec { command: "true" } })"},
      {path + "lifecycle.stopSignal", Main(R"({"lifecycle": {"stopSignal": "SIGUSR1"}})"),
       first + "lifecycle.stopSignal"},
      {path + "terminationMessagePath", Main(R"({"terminationMessagePath": "/tmp/m"})"),
       R"(termination_message_path: "/tmp/m")"},
      {path + "terminationMessagePolicy", Main(R"({"terminationMessagePolicy": "FallbackToLogsOnError"})"),
       "termination_message_fallback_to_logs: true"},
      {path + "stdin", Main(R"({"stdin": true})"), "stdin: true"},
      {path + "stdinOnce", Main(R"({"stdinOnce": true})"), "stdin_once: true"},
      {path + "tty", Main(R"({"tty": true})"), "tty: true"},
  };
}

std::vector<Case> ProbeCases() {
  const std::string path = "spec.containers[].";
  return {
      {path + "startupProbe",
       Main(R"({"startupProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 2, "failureThreshold": 30}})"),
       "startup_probe { handler { tcp_socket { port: 1 } } timeout_seconds: 1 period_seconds: 2 "
       "success_threshold: 1 "
       "failure_threshold: 30 }"},
      {path + "livenessProbe",
       Main(R"({"livenessProbe": {"tcpSocket": {"port": 1}, "initialDelaySeconds": 4}})"),
       "liveness_probe { handler { tcp_socket { port: 1 } } initial_delay_seconds: 4 timeout_seconds: 1 "
       "period_seconds: 10 success_threshold: 1 failure_threshold: 3 }"},
      {path + "readinessProbe",
       Main(R"({"readinessProbe": {"tcpSocket": {"port": 1}, "timeoutSeconds": 5, "successThreshold": 2}})"),
       "readiness_probe { handler { tcp_socket { port: 1 } } timeout_seconds: 5 period_seconds: 10 "
       "success_threshold: 2 failure_threshold: 3 }"},
      {path + "livenessProbe.exec", Main(R"({"livenessProbe": {"exec": {"command": ["cat", "/x"]}}})"),
       R"(exec { command: "cat" command: "/x" })"},
      {path + "livenessProbe.httpGet", Main(R"({"ports": [{"name": "web", "containerPort": 81}],
                "livenessProbe": {"httpGet": {"port": "web", "path": "/z", "scheme": "HTTPS",
                                              "httpHeaders": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}}})"),
       R"(http_get { port: 81 path: "/z" https: true headers { key: "A" value: "1, 2" } })"},
      {path + "livenessProbe.tcpSocket",
       Main(R"({"livenessProbe": {"tcpSocket": {"port": 5, "host": "h"}}})"),
       R"(tcp_socket { host: "h" port: 5 })"},
      {path + "livenessProbe.grpc", Main(R"({"livenessProbe": {"grpc": {"port": 5, "service": "s"}}})"),
       R"(grpc { port: 5 service: "s" })"},
      {path + "livenessProbe.terminationGracePeriodSeconds",
       Main(R"({"livenessProbe": {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 6}})"),
       "termination_grace_seconds: 6"},
  };
}

std::vector<Case> ContainerSecurityCases() {
  const auto with = [](const std::string& patch) {
    return Main((R"({"securityContext": )" + patch + "}").c_str());
  };
  const std::string path = "spec.containers[].securityContext.";
  const std::string first = "spec.containers[0].securityContext.";
  return {
      {path + "runAsUser", with(R"({"runAsUser": 5})"), "security { run_as_user: 5 }"},
      {path + "runAsGroup", with(R"({"runAsGroup": 6})"), "security { run_as_group: 6 }"},
      {path + "runAsNonRoot", with(R"({"runAsNonRoot": false})"), "security { run_as_non_root: false }"},
      {path + "privileged", with(R"({"privileged": true})"), "privileged: true"},
      {path + "readOnlyRootFilesystem", with(R"({"readOnlyRootFilesystem": true})"), "read_only_root: true"},
      {path + "allowPrivilegeEscalation", with(R"({"allowPrivilegeEscalation": false})"),
       "allow_privilege_escalation: false"},
      {path + "capabilities", with(R"({"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}})"),
       R"(add_capabilities: "NET_ADMIN" drop_capabilities: "ALL")"},
      {path + "seccompProfile",
       with(R"({"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"}})"),
       R"(seccomp { profile: LOCALHOST localhost_path: "a/b.json" })"},
      {path + "procMount", with(R"({"procMount": "Unmasked"})"), first + "procMount"},
      {path + "seLinuxOptions", with(R"({"seLinuxOptions": {"level": "s0"}})"), first + "seLinuxOptions"},
      {path + "appArmorProfile", with(R"({"appArmorProfile": {"type": "Localhost"}})"),
       first + "appArmorProfile"},
      {path + "windowsOptions", with(R"({"windowsOptions": {"hostProcess": true}})"),
       first + "windowsOptions"},
  };
}

std::vector<Case> VolumeCases() {
  const std::string path = "spec.volumes[].";
  const std::string first = "spec.volumes[0].";
  return {
      {path + "configMap", Volume(R"({"configMap": {"name": "c", "defaultMode": 256, "optional": true,
                                "items": [{"key": "k", "path": "p/q", "mode": 292}]}})"),
       R"(projection { sources { content { content_id: "configmap/c" items { key: "k" path: "p/q" mode: 292 } )"
       R"(optional: true } } default_mode: 256 })"},
      {path + "secret", Volume(R"({"secret": {"secretName": "s"}})"),
       R"(projection { sources { content { content_id: "secret/s" } } default_mode: 420 })"},
      {path + "downwardAPI", Volume(R"({"downwardAPI": {"items": [
                    {"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}},
                    {"path": "m", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory",
                                                       "divisor": "1Mi"}}]}})"),
       R"(downward { path: "l" field: "metadata.labels" } } sources { downward { path: "m" resource { )"
       R"(container: "main" resource: "limits.memory" divisor: 1048576 } } })"},
      {path + "projected.sources[].configMap", Projected(R"({"configMap": {"name": "c"}})"),
       R"(sources { content { content_id: "configmap/c" } })"},
      {path + "projected.sources[].secret", Projected(R"({"secret": {"name": "s"}})"),
       R"(sources { content { content_id: "secret/s" } })"},
      {path + "projected.sources[].downwardAPI",
       Projected(
           R"({"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}})"),
       R"(sources { downward { path: "n" field: "metadata.name" } })"},
      {path + "projected.sources[].serviceAccountToken",
       Projected(R"({"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 600}})"),
       R"(sources { token { path: "t" credential: "v/t" } })"},
      {path + "projected.sources[].clusterTrustBundle", Projected(R"({"clusterTrustBundle": {"path": "b"}})"),
       first + "projected.sources[0].clusterTrustBundle"},
      {path + "projected.sources[].podCertificate",
       Projected(R"({"podCertificate": {"keyType": "ED25519"}})"),
       first + "projected.sources[0].podCertificate"},
      {path + "emptyDir", Volume(R"({"emptyDir": {}})"), R"(volumes { name: "v" empty_dir { } })"},
      {path + "emptyDir.medium", Volume(R"({"emptyDir": {"medium": "Memory"}})"),
       "empty_dir { memory: true }"},
      {path + "emptyDir.sizeLimit", Volume(R"({"emptyDir": {"sizeLimit": "2Ki"}})"),
       "size_limit_bytes: 2048"},
      {path + "hostPath", Volume(R"({"hostPath": {"path": "/data", "type": "Directory"}})"),
       R"(host_path { path: "/data" type: "Directory" })"},
      {path + "persistentVolumeClaim", Volume(R"({"persistentVolumeClaim": {"claimName": "c"}})"),
       first + "persistentVolumeClaim"},
      {path + "ephemeral", Volume(R"({"ephemeral": {"volumeClaimTemplate": {}}})"), first + "ephemeral"},
      {path + "csi", Volume(R"({"csi": {"driver": "d"}})"), first + "csi"},
      {path + "image", Volume(R"({"image": {"reference": "r"}})"), first + "image"},
      {path + "nfs", Volume(R"({"nfs": {"server": "s", "path": "/"}})"), first + "nfs"},
      {path + "iscsi", Volume(R"({"iscsi": {"iqn": "i"}})"), first + "iscsi"},
      {path + "gitRepo", Volume(R"({"gitRepo": {"repository": "r"}})"), first + "gitRepo"},
      {path + "flexVolume", Volume(R"({"flexVolume": {"driver": "d"}})"), first + "flexVolume"},
  };
}

std::map<std::string, Case> AllCases() {
  std::map<std::string, Case> all;
  for (const auto& cases : {MetadataCases(), PodCases(), PodSecurityCases(), ContainerCases(), ProbeCases(),
                            ContainerSecurityCases(), VolumeCases()}) {
    for (const Case& one : cases)
      EXPECT_TRUE(all.emplace(one.field, one).second) << one.field << " is there twice";
  }
  return all;
}

std::vector<Row> ReadDocument() {
  std::ifstream file(SLICELET_SOURCE_DIR "/docs/compatibility.md");
  static const std::regex kRow(R"(^\| `([^`]+)` \| (\w+) \|.*\|$)");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kRow))
      rows.push_back({match[1], match[2]});
    else
      EXPECT_FALSE(line.starts_with("| `")) << "not a row that this test can read: " << line;
  }
  return rows;
}

std::vector<v1::ContainerEnvironment> Resolved() {
  v1::ContainerEnvironment environment;
  environment.set_container("resolved");
  auto& var = *environment.add_env();
  var.set_name("R");
  var.mutable_secret()->set_content_id("secret/s");
  var.mutable_secret()->set_key("k");
  return {environment};
}

std::string Text(const Translation& translation) {
  std::string per_host;
  for (const ContentId& id : translation.per_host) per_host += " per_host: \"" + id.value() + "\"";
  return translation.workload.ShortDebugString() + " " + translation.gateway.ShortDebugString() +
         " role: " + v1::Role_Name(translation.role) + " priority: " + std::to_string(translation.priority) +
         " autonomy: " + std::to_string(translation.autonomy.count()) +
         " log_tails: " + (translation.log_tails ? translation.log_tails->ShortDebugString() : "") + per_host;
}

TEST(Compatibility, EveryRowOfTheDocumentHoldsAndEveryCaseHasARow) {
  auto cases = AllCases();
  const auto rows = ReadDocument();
  ASSERT_GT(rows.size(), 100U);
  for (const Row& row : rows) {
    SCOPED_TRACE(row.field);
    const auto found = cases.find(row.field);
    if (found == cases.end()) {
      ADD_FAILURE() << "docs/compatibility.md has a row that no case tries out";
      continue;
    }
    const Case sample = found->second;
    cases.erase(found);
    const auto result = Translate(sample.pod, Resolved());
    const auto* refusal = std::get_if<v1::Refusal>(&result);
    if (row.verdict == "refused") {
      ASSERT_NE(refusal, nullptr);
      EXPECT_EQ(refusal->field(), sample.expected);
      EXPECT_THAT(refusal->message(), HasSubstr(sample.expected));
      EXPECT_FALSE(refusal->reason().empty());
      continue;
    }
    if (refusal != nullptr) {
      ADD_FAILURE() << "refused: " << refusal->message();
      continue;
    }
    const auto& translation = std::get<Translation>(result);
    if (row.verdict == "honoured") {
      EXPECT_THAT(Text(translation), HasSubstr(sample.expected));
      EXPECT_THAT(translation.ignored, IsEmpty());
    } else {
      EXPECT_EQ(row.verdict, "ignored");
      EXPECT_THAT(translation.ignored, Contains(sample.expected));
    }
  }
  for (const auto& [field, sample] : cases)
    ADD_FAILURE() << field << " has a case, but no row in the document";
}

}  // namespace
}  // namespace slicelet::provider
