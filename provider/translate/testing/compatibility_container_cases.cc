#include "provider/translate/testing/compatibility_cases.h"
#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {

std::vector<CompatibilityCase> ContainerCases() {
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

std::vector<CompatibilityCase> ProbeCases() {
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

std::vector<CompatibilityCase> ContainerSecurityCases() {
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

}  // namespace slicelet::provider
