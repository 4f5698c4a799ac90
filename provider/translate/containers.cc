#include <algorithm>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMaxPort = 65'535;

v1::PullPolicy DefaultPullPolicy(const std::string& image) {
  const std::size_t slash = image.rfind('/');
  const std::string last = slash == std::string::npos ? image : image.substr(slash + 1);
  if (last.find('@') != std::string::npos) return v1::PULL_POLICY_IF_NOT_PRESENT;
  const std::size_t colon = last.find(':');
  const bool latest = colon == std::string::npos || last.substr(colon + 1) == "latest";
  return latest ? v1::PULL_POLICY_ALWAYS : v1::PULL_POLICY_IF_NOT_PRESENT;
}

void TranslateImage(FieldReader& from, v1::Container& out) {
  out.set_image(from.RequiredString("image"));
  const std::string policy = from.String("imagePullPolicy");
  if (policy.empty())
    out.set_pull_policy(DefaultPullPolicy(out.image()));
  else if (policy == "Always")
    out.set_pull_policy(v1::PULL_POLICY_ALWAYS);
  else if (policy == "IfNotPresent")
    out.set_pull_policy(v1::PULL_POLICY_IF_NOT_PRESENT);
  else if (policy == "Never")
    out.set_pull_policy(v1::PULL_POLICY_NEVER);
  else
    from.Refuse("imagePullPolicy", "is \"" + policy + "\", should be Always, IfNotPresent or Never");
}

/// The shim has resolved env and envFrom; what it has not (standalone tests, hand-made calls) counts if
/// literal.
void TranslateEnv(FieldReader& from, PodParts& parts, v1::Container& out) {
  const auto resolved =
      std::ranges::find(parts.environment, out.name(), &v1::ContainerEnvironment::container);
  if (resolved != parts.environment.end()) {
    *out.mutable_env() = resolved->env();
    out.set_config_error(resolved->config_error());
    for (const v1::EnvVar& var : out.env()) {
      if (var.has_secret()) parts.contents.insert(var.secret().content_id());
    }
    from.Accept("envFrom");
  }
  from.Each("env", [&](FieldReader& entry) {
    const std::string name = entry.RequiredString("name");
    std::string value = entry.String("value");
    if (entry.Has("valueFrom")) {
      FieldReader source = entry.Object("valueFrom");
      source.Unsupported("fileKeyRef", "read the file in the container, or use a ConfigMap");
      if (resolved != parts.environment.end()) source.AcceptAll();
    } else if (resolved == parts.environment.end()) {
      auto& var = *out.add_env();
      var.set_name(name);
      var.set_literal(std::move(value));
      var.set_expand(true);
    }
  });
}

void TranslatePorts(FieldReader& from, v1::Container& out) {
  from.Each("ports", [&](FieldReader& port) {
    auto& to = *out.add_ports();
    to.set_name(port.String("name"));
    to.set_container_port(static_cast<std::int32_t>(port.Int("containerPort", 0, 1, kMaxPort)));
    if (to.container_port() == 0) port.Refuse("containerPort", "is required");
    to.set_host_port(static_cast<std::int32_t>(port.Int("hostPort", 0, 0, kMaxPort)));
    to.set_protocol(port.String("protocol", "TCP"));
    if (to.protocol() != "TCP" && to.protocol() != "UDP" && to.protocol() != "SCTP") {
      port.Refuse("protocol", "is \"" + to.protocol() + "\", should be TCP, UDP or SCTP");
    }
    to.set_host_ip(port.String("hostIP"));
  });
}

void TranslateMount(FieldReader& mount, const PodParts& parts, v1::Mount& out) {
  out.set_volume(mount.RequiredString("name"));
  const auto& volumes = parts.workload.volumes();
  if (std::ranges::find(volumes, out.volume(), &v1::Volume::name) == volumes.end()) {
    mount.Refuse("name", "\"" + out.volume() + "\" names none of spec.volumes");
  }
  out.set_path(mount.RequiredString("mountPath"));
  if (!IsInnerPath("./" + out.path()))
    mount.Refuse("mountPath", "is \"" + out.path() + "\", should be a path without \"..\"");
  out.set_read_only(mount.Bool("readOnly"));
  out.set_sub_path(mount.String("subPath"));
  if (!out.sub_path().empty() && !IsInnerPath(out.sub_path())) {
    mount.Refuse("subPath", "is \"" + out.sub_path() + "\", should be a relative path without \"..\"");
  }
  out.set_sub_path_expr(mount.String("subPathExpr"));
  if (!out.sub_path_expr().empty() && !IsInnerPath(out.sub_path_expr())) {
    mount.Refuse("subPathExpr",
                 "is \"" + out.sub_path_expr() + "\", should be a relative path without \"..\"");
  }
  if (!out.sub_path().empty() && !out.sub_path_expr().empty()) {
    mount.Refuse("subPathExpr", "subPath is set too; use one of them");
  }
  const std::string propagation = mount.String("mountPropagation", "None");
  if (propagation == "HostToContainer")
    out.set_propagation(v1::Mount::HOST_TO_CONTAINER);
  else if (propagation == "Bidirectional")
    out.set_propagation(v1::Mount::BIDIRECTIONAL);
  else if (propagation != "None") {
    mount.Refuse("mountPropagation",
                 "is \"" + propagation + "\", should be None, HostToContainer or Bidirectional");
  }
  // IfPossible allows what we do: only the mount itself is read-only.
  const std::string recursive = mount.String("recursiveReadOnly", "Disabled");
  if (recursive != "Disabled" && recursive != "IfPossible") {
    mount.Refuse("recursiveReadOnly", "\"" + recursive + "\" is not supported on edge hosts; use IfPossible",
                 kUnsupported);
  }
}

void TranslateLifecycle(FieldReader lifecycle, v1::Container& out) {
  if (lifecycle.Has("postStart")) {
    FieldReader hook = lifecycle.Object("postStart");
    TranslateHook(hook, out, *out.mutable_post_start());
  }
  if (lifecycle.Has("preStop")) {
    FieldReader hook = lifecycle.Object("preStop");
    TranslateHook(hook, out, *out.mutable_pre_stop());
  }
  lifecycle.Unsupported("stopSignal", "set STOPSIGNAL in the image");
}

void TranslateProbes(FieldReader& from, v1::Container& out) {
  if (from.Has("startupProbe")) {
    FieldReader probe = from.Object("startupProbe");
    TranslateProbe(probe, out, *out.mutable_startup_probe());
  }
  if (from.Has("livenessProbe")) {
    FieldReader probe = from.Object("livenessProbe");
    TranslateProbe(probe, out, *out.mutable_liveness_probe());
  }
  if (from.Has("readinessProbe")) {
    FieldReader probe = from.Object("readinessProbe");
    TranslateProbe(probe, out, *out.mutable_readiness_probe());
  }
}

void TranslateTermination(FieldReader& from, v1::Container& out) {
  out.set_termination_message_path(from.String("terminationMessagePath", "/dev/termination-log"));
  if (!IsInnerPath("./" + out.termination_message_path())) {
    from.Refuse("terminationMessagePath",
                "is \"" + out.termination_message_path() + "\", should be a path without \"..\"");
  }
  const std::string policy = from.String("terminationMessagePolicy", "File");
  out.set_termination_message_fallback_to_logs(policy == "FallbackToLogsOnError");
  if (policy != "File" && policy != "FallbackToLogsOnError") {
    from.Refuse("terminationMessagePolicy", "is \"" + policy + "\", should be File or FallbackToLogsOnError");
  }
}

void TranslateRestart(FieldReader& from, bool init, v1::Container& out) {
  const std::string policy = from.String("restartPolicy");
  out.set_sidecar(init && policy == "Always");
  if (!policy.empty() && !out.sidecar()) {
    from.Refuse("restartPolicy",
                "\"" + policy +
                    "\" is not supported on edge hosts; use the pod's restartPolicy, or Always on an init "
                    "container for a sidecar",
                kUnsupported);
  }
  from.Unsupported("restartPolicyRules", "use the pod's restartPolicy");
}

}  // namespace

void TranslateContainer(FieldReader& from, bool init, PodParts& parts, v1::Container& out) {
  out.set_name(from.RequiredString("name"));
  if (!out.name().empty() && !IsDnsLabel(out.name()))
    from.Refuse("name", "\"" + out.name() + "\" is no DNS label");
  TranslateImage(from, out);
  for (std::string& word : from.Strings("command")) out.add_command(std::move(word));
  for (std::string& word : from.Strings("args")) out.add_args(std::move(word));
  out.set_working_dir(from.String("workingDir"));
  TranslateEnv(from, parts, out);
  TranslatePorts(from, out);
  {
    FieldReader resources = from.Object("resources");
    TranslateResources(resources, out);
  }
  from.Each("volumeMounts", [&](FieldReader& mount) { TranslateMount(mount, parts, *out.add_mounts()); });
  from.Unsupported("volumeDevices",
                   "use a hostPath volume of type BlockDevice that the host's policy allows");
  TranslateProbes(from, out);
  TranslateLifecycle(from.Object("lifecycle"), out);
  if (from.Has("securityContext")) {
    FieldReader security = from.Object("securityContext");
    TranslateContainerSecurity(security, *out.mutable_security());
  }
  out.set_stdin(from.Bool("stdin"));
  out.set_stdin_once(from.Bool("stdinOnce"));
  out.set_tty(from.Bool("tty"));
  TranslateTermination(from, out);
  TranslateRestart(from, init, out);
}

}  // namespace slicelet::provider
