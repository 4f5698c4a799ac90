#include "provider/controllers/exporter.h"

#include <algorithm>
#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pod_parts.h"

namespace slicelet::provider {
namespace {

constexpr char kIdle[] = "senml-export-idle";
constexpr char kSettingsVolume[] = "export-settings";
constexpr char kStoreVolume[] = "export-store";
constexpr char kStorePath[] = "/var/lib/senml-export";
/// As the pod says who runs in it.
constexpr char kStoreOwner[] = "2002:2001";
constexpr int kProbePort = 59750;
/// Its environment would win over what it is told by an attachment.
constexpr const char* kTold[] = {"SENML_SETTINGS",  "SENML_SERVER", "SENML_USERNAME", "SENML_PASSWORD",
                                 "SENML_CLIENT_ID", "SENML_TOPIC",  "SENML_CA_FILE"};

std::string OwnImage(const Json& gateway, const char* container) {
  return kube::TextAt(gateway, {"spec", "images", container});
}

const Json* ExporterIn(const Json& pod, std::initializer_list<std::string_view> list) {
  const Json* containers = kube::Find(pod, list);
  if (containers == nullptr || !containers->is_array()) return nullptr;
  const auto it = std::find_if(containers->begin(), containers->end(),
                               [](const Json& one) { return kube::TextAt(one, {"name"}) == kExporter; });
  return it == containers->end() ? nullptr : &*it;
}

bool IsOver(const Json& pod) {
  const std::string phase = kube::TextAt(pod, {"status", "phase"});
  return phase == "Failed" || phase == "Succeeded";
}

/// Of a gateway of profile custom; null when its template has none.
const Json* TemplateExporter(const Json& gateway) {
  return ExporterIn(gateway, {"spec", "template", "spec", "containers"});
}

/// The variable of that name that a container sets itself; null when it does not.
const Json* EnvIn(const Json& container, std::string_view name) {
  const Json* env = kube::Find(container, {"env"});
  if (env == nullptr || !env->is_array()) return nullptr;
  const auto it = std::find_if(env->begin(), env->end(),
                               [&](const Json& one) { return kube::TextAt(one, {"name"}) == name; });
  return it == env->end() ? nullptr : &*it;
}

/// Why the exporter of a template can not be told where to send; nullopt when it can.
std::optional<Finding> TemplateProblem(const Json& gateway) {
  const Json* exporter = TemplateExporter(gateway);
  const std::string containers = "spec.template.spec.containers";
  const std::string name = kExporter;
  if (exporter == nullptr) {
    return Finding{"AttachNeedsExporter",
                   containers + ": a gateway of profile custom is attached by a container called " + name +
                       ", which is not there: add it, with its image and MESSAGEBUS_HOST"};
  }
  for (const char* told : kTold) {
    if (EnvIn(*exporter, told) == nullptr) continue;
    std::string message = containers;
    message.append("[").append(name).append("].env: ").append(told);
    return Finding{"AttachNeedsExporter", message.append(" is what the attachment tells it: remove it")};
  }
  if (kube::Find(*exporter, {"envFrom"}) != nullptr) {
    return Finding{"AttachNeedsExporter",
                   containers + "[" + name + "].envFrom: may set what the attachment tells it: use env"};
  }
  return std::nullopt;
}

/// The container that it has in a profile's pod, but for what every exporter has.
Json ProfileExporter() {
  Json made = {{"name", kExporter}, {"imagePullPolicy", "IfNotPresent"}};
  made["securityContext"] = {{"readOnlyRootFilesystem", true}, {"allowPrivilegeEscalation", false}};
  made["resources"] = Resources("10m", "16Mi", "128Mi");
  return made;
}

Json ProbeOf(const char* path, int period) {
  Json probe = HttpProbe(kProbePort, path);
  probe["httpGet"]["scheme"] = "HTTPS";
  probe["periodSeconds"] = period;
  return probe;
}

}  // namespace

bool IsOfFleet(const Json& gateway) { return kube::TextAt(gateway, {"spec", "target", "host"}).empty(); }

std::string ExportSecretOf(const Json& gateway, bool per_host) {
  return kube::NameOf(gateway) + (per_host ? "-export-hosts" : "-export");
}

std::string ExporterImage(const Json& gateway, bool sends) {
  std::string own = OwnImage(gateway, kExporter);
  const Json* templated = HasProfile(gateway) ? nullptr : TemplateExporter(gateway);
  if (own.empty() && templated != nullptr) own = kube::TextAt(*templated, {"image"});
  std::string image = own.empty() ? "docker.io/slicelet/senml-export:" SLICELET_VERSION : own;
  if (sends) return image;
  const std::string idle = OwnImage(gateway, kIdle);
  return idle.empty() ? image + "-idle" : idle;
}

std::optional<Finding> ExporterProblem(const Json& gateway) {
  if (kube::TextAt(gateway, {"spec", "attachTo"}).empty()) return std::nullopt;
  return HasProfile(gateway) ? std::nullopt : TemplateProblem(gateway);
}

std::optional<std::string> AttachServerOf(const Json& gateway) {
  std::string server = kube::TextAt(gateway, {"spec", "attachTo"});
  if (server.empty() || kube::BeingDeleted(gateway) || ExporterProblem(gateway)) return std::nullopt;
  return server;
}

std::string AttachmentKey(const std::string& host, const std::string& server) { return host + "." + server; }

bool MaySend(const Json& gateway) {
  const auto server = AttachServerOf(gateway);
  const Json* records = kube::Find(gateway, {"status", "attachments"});
  if (!server || records == nullptr || !records->is_object()) return false;
  return std::any_of(records->begin(), records->end(), [&](const Json& record) {
    const std::string state = kube::TextAt(record, {"state"});
    const bool here = IsOfFleet(gateway) ||
                      kube::TextAt(record, {"host"}) == kube::TextAt(gateway, {"spec", "target", "host"});
    return here && kube::TextAt(record, {"server"}) == *server &&
           (state == "Attached" || state == "Degraded");
  });
}

bool HasExporter(const Json& gateway, const std::vector<const Json*>& pods) {
  if (!HasProfile(gateway)) return !TemplateProblem(gateway);
  return AttachServerOf(gateway) || std::ranges::any_of(pods, [](const Json* pod) {
           return !kube::BeingDeleted(*pod) && IsToldByAttachment(*pod);
         });
}

void AddExporter(const Json& gateway, Json& pod) {
  const bool profile = HasProfile(gateway);
  Json& spec = pod["spec"];
  if (profile) {
    for (Json& container : spec["containers"]) {
      // EdgeX publishes with QoS 0 otherwise, and what comes while the exporter starts anew is gone.
      if (container.contains("ports")) container["env"].push_back(Env("MESSAGEBUS_OPTIONAL_QOS", "1"));
    }
    spec["containers"].push_back(ProfileExporter());
    Json& order = pod["metadata"]["annotations"]["slicelet.io/depends-on"];
    order = order.get<std::string>() + "; " + kExporter + "=mosquitto";
  }
  Json& made = *std::ranges::find_if(
      spec["containers"], [](const Json& one) { return kube::TextAt(one, {"name"}) == kExporter; });
  made["image"] = ExporterImage(gateway, false);
  Append(made, "env", Env("SENML_SETTINGS", kExportSettingsPath));
  if (profile) Append(made, "env", Env("MESSAGEBUS_HOST", "localhost"));
  Json settings = Mount(kSettingsVolume, kExportSettingsPath);
  settings["readOnly"] = true;
  Append(made, "volumeMounts", std::move(settings));
  const bool own_store = EnvIn(made, "SENML_STORE") != nullptr ||
                         std::ranges::any_of(made["volumeMounts"], [](const Json& mount) {
                           return kube::TextAt(mount, {"mountPath"}) == kStorePath;
                         });
  if (!own_store) Append(made, "volumeMounts", Mount(kStoreVolume, kStorePath));
  if (!made.contains("livenessProbe")) made["livenessProbe"] = ProbeOf("/healthz", 10);
  if (!made.contains("readinessProbe")) made["readinessProbe"] = ProbeOf("/readyz", 2);
  // It is not there before the gateway is attached, and goes with the attachment.
  const bool per_host = IsOfFleet(gateway);
  const std::string secret = ExportSecretOf(gateway, per_host);
  Append(spec, "volumes",
         {{"name", kSettingsVolume}, {"secret", {{"secretName", secret}, {"optional", true}}}});
  if (KeepsData(gateway)) {
    spec["initContainers"].push_back(OwnDirectory("own-export-store", DatabaseImageOf(gateway),
                                                  Mount(kStoreVolume, kStorePath), kStoreOwner));
    Append(spec, "volumes", KeptVolume(kStoreVolume, DataPathOf(gateway) + "/export"));
  } else if (!own_store) {
    Append(spec, "volumes", {{"name", kStoreVolume}, {"emptyDir", Json::object()}});
  }
  if (!per_host) return;
  Json& divided = pod["metadata"]["annotations"]["slicelet.io/per-host-secrets"];
  divided = divided.is_string() ? divided.get<std::string>() + "," + secret : secret;
}

bool IsToldByAttachment(const Json& pod) {
  const Json* volumes = kube::Find(pod, {"spec", "volumes"});
  if (volumes == nullptr || !volumes->is_array() || ExporterImageIn(pod).empty()) return false;
  return std::any_of(volumes->begin(), volumes->end(),
                     [](const Json& volume) { return kube::TextAt(volume, {"name"}) == kSettingsVolume; });
}

std::string ExporterImageIn(const Json& pod) {
  const Json* exporter = ExporterIn(pod, {"spec", "containers"});
  return exporter == nullptr ? "" : kube::TextAt(*exporter, {"image"});
}

absl::Status ExporterCanNotPublish(const std::string& host, const Json& pod) {
  return absl::UnavailableError("the exporter on " + host + " can not publish: see the log of container " +
                                kExporter + " of pod " + kube::NameOf(pod));
}

ExporterState ExporterStateOf(const Json& gateway, const std::vector<const Json*>& pods) {
  ExporterState state;
  state.publishes = absl::UnavailableError(kNotStarted);
  for (const Json* pod : pods) {
    if (IsOver(*pod) || !IsToldByAttachment(*pod)) continue;
    const Json* status = ExporterIn(*pod, {"status", "containerStatuses"});
    const std::string runs = status == nullptr ? "" : kube::TextAt(*status, {"image"});
    const std::string wanted = ExporterImageIn(*pod);
    const std::string idle = ExporterImage(gateway, false);
    // One that never got the other image, or whose host says that it runs this one.
    if (wanted != idle || runs != idle) state.stopped = false;
    if (runs.empty() || runs == idle) continue;
    if (GetBool(*status, "/ready")) {
      state.publishes = absl::OkStatus();
    } else {
      state.publishes = ExporterCanNotPublish(kube::TextAt(*pod, {"spec", "nodeName"}), *pod);
    }
  }
  if (GetBool(gateway, "/spec/suspended")) state.publishes = absl::OkStatus();
  return state;
}

}  // namespace slicelet::provider
