#include "provider/translate/testing/compatibility_cases.h"
#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {

std::vector<CompatibilityCase> MetadataCases() {
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
         Json pod = SamplePod();
         pod["spec"]["containers"].push_back(Json::parse(R"({"name": "db", "image": "x:1"})"));
         pod["metadata"]["annotations"]["slicelet.io/depends-on"] = "main=db";
         return pod;
       }(),
       R"(depends_on: "db")"},
      {"metadata.annotations[slicelet.io/host-aliases]",
       Metadata(R"({"annotations": {"slicelet.io/host-aliases": "10.0.0.7=iot,iot.north; fd00::7 = six;"}})"),
       R"(host_aliases { ip: "10.0.0.7" hostnames: "iot" hostnames: "iot.north" } )"
       R"(host_aliases { ip: "fd00::7" hostnames: "six" })"},
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

std::vector<CompatibilityCase> PodCases() {
  return {
      {"spec.containers", SamplePod(), R"(containers { name: "main" image: "registry.example/app:1")"},
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

std::vector<CompatibilityCase> PodSecurityCases() {
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

std::vector<CompatibilityCase> VolumeCases() {
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

}  // namespace slicelet::provider
