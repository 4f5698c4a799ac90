#include "provider/controllers/exporter.h"

#include <algorithm>

#include "kube/object.h"
#include "provider/controllers/gateway_profile.h"

namespace slicelet::provider {
namespace {

constexpr char kIdle[] = "senml-export-idle";
constexpr char kSettingsVolume[] = "export-settings";
constexpr char kStoreVolume[] = "export-store";
constexpr char kStorePath[] = "/var/lib/senml-export";
constexpr int kProbePort = 59750;

std::string OwnImage(const Json& gateway, const char* container) {
  return kube::TextAt(gateway, {"spec", "images", container});
}

const Json* ExporterIn(const Json& pod, std::initializer_list<std::string_view> list) {
  const Json* containers = kube::Find(pod, list);
  if (containers == nullptr || !containers->is_array()) return nullptr;
  const auto it = std::find_if(containers->begin(), containers->end(),
                               [](const Json& one) { return one.value("name", "") == kExporter; });
  return it == containers->end() ? nullptr : &*it;
}

bool IsOver(const Json& pod) {
  const std::string phase = kube::TextAt(pod, {"status", "phase"});
  return phase == "Failed" || phase == "Succeeded";
}

Json Probe(const char* path, int period) {
  return {{"httpGet", {{"path", path}, {"port", kProbePort}, {"scheme", "HTTPS"}}},
          {"periodSeconds", period}};
}

}  // namespace

bool IsOfFleet(const Json& gateway) { return kube::TextAt(gateway, {"spec", "target", "host"}).empty(); }

std::string ExportSecretOf(const Json& gateway, bool per_host) {
  return kube::NameOf(gateway) + (per_host ? "-export-hosts" : "-export");
}

std::string ExporterImage(const Json& gateway, bool sends) {
  const std::string own = OwnImage(gateway, kExporter);
  const std::string image = own.empty() ? "docker.io/slicelet/senml-export:" SLICELET_VERSION : own;
  if (sends) return image;
  const std::string idle = OwnImage(gateway, kIdle);
  return idle.empty() ? image + "-idle" : idle;
}

std::optional<Finding> ExporterProblem(const Json& gateway) {
  if (kube::TextAt(gateway, {"spec", "attachTo"}).empty()) return std::nullopt;
  if (!HasProfile(gateway)) {
    return Finding{
        "AttachNeedsProfile",
        "spec.attachTo: a gateway of profile custom is not attached: run senml-export in its template"};
  }
  return std::nullopt;
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
  if (!HasProfile(gateway)) return false;
  return AttachServerOf(gateway) || std::ranges::any_of(pods, [](const Json* pod) {
           return !kube::BeingDeleted(*pod) && ExporterIn(*pod, {"spec", "containers"}) != nullptr;
         });
}

void AddExporter(const Json& gateway, Json& pod) {
  const auto env = [](const std::string& name, const std::string& value) {
    return Json({{"name", name}, {"value", value}});
  };
  const auto mount = [](const std::string& name, const std::string& path) {
    return Json({{"name", name}, {"mountPath", path}});
  };
  Json& spec = pod["spec"];
  for (Json& container : spec["containers"]) {
    if (!container.contains("ports")) continue;
    // EdgeX publishes with QoS 0 otherwise, and what comes while the exporter starts anew is gone.
    container["env"].push_back(env("MESSAGEBUS_OPTIONAL_QOS", "1"));
  }
  Json made = {
      {"name", kExporter}, {"image", ExporterImage(gateway, false)}, {"imagePullPolicy", "IfNotPresent"}};
  made["env"] =
      Json::array({env("SENML_SETTINGS", kExportSettingsPath), env("MESSAGEBUS_HOST", "localhost")});
  made["volumeMounts"] =
      Json::array({mount(kSettingsVolume, kExportSettingsPath), mount(kStoreVolume, kStorePath)});
  made["volumeMounts"][0]["readOnly"] = true;
  made["securityContext"] = {{"readOnlyRootFilesystem", true}, {"allowPrivilegeEscalation", false}};
  made["livenessProbe"] = Probe("/healthz", 10);
  made["readinessProbe"] = Probe("/readyz", 2);
  made["resources"] = {{"requests", {{"cpu", "10m"}, {"memory", "16Mi"}}}, {"limits", {{"memory", "128Mi"}}}};
  spec["containers"].push_back(std::move(made));
  // It is not there before the gateway is attached, and goes with the attachment.
  const bool per_host = IsOfFleet(gateway);
  const std::string secret = ExportSecretOf(gateway, per_host);
  spec["volumes"].push_back(
      {{"name", kSettingsVolume}, {"secret", {{"secretName", secret}, {"optional", true}}}});
  if (per_host) pod["metadata"]["annotations"]["slicelet.io/per-host-secrets"] = secret;
  spec["volumes"].push_back({{"name", kStoreVolume}, {"emptyDir", Json::object()}});
  Json& order = pod["metadata"]["annotations"]["slicelet.io/depends-on"];
  order = order.get<std::string>() + "; " + kExporter + "=mosquitto";
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
    if (IsOver(*pod) || ExporterIn(*pod, {"spec", "containers"}) == nullptr) continue;
    const Json* status = ExporterIn(*pod, {"status", "containerStatuses"});
    const std::string runs = status == nullptr ? "" : kube::TextAt(*status, {"image"});
    const std::string wanted = ExporterImageIn(*pod);
    const std::string idle = ExporterImage(gateway, false);
    // One that never got the other image, or whose host says that it runs this one.
    if (wanted != idle || runs != idle) state.stopped = false;
    if (runs.empty() || runs == idle) continue;
    if (status->value("ready", false)) {
      state.publishes = absl::OkStatus();
    } else {
      state.publishes = ExporterCanNotPublish(kube::TextAt(*pod, {"spec", "nodeName"}), *pod);
    }
  }
  if (gateway["spec"].value("suspended", false)) state.publishes = absl::OkStatus();
  return state;
}

}  // namespace slicelet::provider
