#include "provider/controllers/gateway_profile.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "kube/object.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/pod_parts.h"

namespace slicelet::provider {
namespace {

constexpr char kEdgexVersion[] = "4.0.1";
constexpr char kSettingsPath[] = "/etc/edgex";

/// One EdgeX service.
struct Service {
  std::string name;
  /// Without registry and version.
  std::string image;
  int port;
  std::string after;
  std::vector<std::pair<std::string, std::string>> environment;
};

Json Database(const Json& gateway) {
  Json made = Container("postgres", "postgres:18.1-alpine3.22");
  made["env"] = Json::array({Env("POSTGRES_DB", "edgex_db"),
                             EnvOfSecret("POSTGRES_PASSWORD", DatabaseSecretOf(gateway), "password")});
  made["securityContext"] = {{"runAsUser", 70}, {"runAsGroup", 70}};
  made["volumeMounts"] =
      Json::array({Mount("database", "/var/lib/postgresql"), Mount("run", "/var/run/postgresql")});
  Probe(made, TcpProbe(5432));
  made["resources"] = Resources("50m", "64Mi", "256Mi");
  return made;
}

Json Broker() {
  Json made = Container("mosquitto", "eclipse-mosquitto:2.0.22");
  made["command"] = {"/usr/sbin/mosquitto", "-c", "/mosquitto-no-auth.conf"};
  made["securityContext"] = {{"runAsUser", 1883}, {"runAsGroup", 1883}};
  Probe(made, TcpProbe(1883));
  made["resources"] = Resources("10m", "16Mi", "64Mi");
  return made;
}

Json EdgexService(const Json& gateway, const Service& service) {
  Json made = Container(service.name, "edgexfoundry/" + service.image + ":" + kEdgexVersion);
  made["args"] = {std::string("-cc=") + kSettingsPath + "/common.yaml"};
  Json env = Json::array({Env("EDGEX_SECURITY_SECRET_STORE", "false"), Env("SERVICE_HOST", "localhost"),
                          Env("DATABASE_HOST", "localhost"), Env("MESSAGEBUS_HOST", "localhost"),
                          Env("CLIENTS_CORE_METADATA_HOST", "localhost"),
                          EnvOfSecret("WRITABLE_INSECURESECRETS_DB_SECRETDATA_PASSWORD",
                                      DatabaseSecretOf(gateway), "password")});
  for (const auto& [name, value] : service.environment) env.push_back(Env(name, value));
  made["env"] = std::move(env);
  made["ports"] = Json::array(
      {Json({{"name", "http-" + std::to_string(service.port)}, {"containerPort", service.port}})});
  Json settings = Mount("common", kSettingsPath);
  settings["readOnly"] = true;
  made["volumeMounts"] = Json::array({std::move(settings)});
  made["securityContext"] = {{"readOnlyRootFilesystem", true}, {"allowPrivilegeEscalation", false}};
  Probe(made, HttpProbe(service.port, "/api/v3/ping"));
  made["resources"] = Resources("10m", "16Mi", "64Mi");
  return made;
}

Service DeviceService(const std::string& kind) {
  if (kind == "mqtt") {
    // On one broker the service's two clients need names of their own.
    return {"device-mqtt",
            "device-mqtt",
            59982,
            "core-data",
            {{"MQTTBROKERINFO_HOST", "localhost"},
             {"MQTTBROKERINFO_CLIENTID", "device-mqtt-devices"},
             {"MESSAGEBUS_OPTIONAL_CLIENTID", "device-mqtt-bus"}}};
  }
  if (kind == "rest") return {"device-rest", "device-rest", 59986, "core-data", {}};
  if (kind == "modbus") return {"device-modbus", "device-modbus", 59901, "core-data", {}};
  return {"device-virtual", "device-virtual", 59900, "core-data", {}};
}

std::vector<Service> ServicesOf(const Json& gateway) {
  std::vector<Service> services = {
      {"core-metadata", "core-metadata", 59881, "postgres,mosquitto", {}},
      {"core-data", "core-data", 59880, "core-metadata", {}},
      {"core-command",
       "core-command",
       59882,
       "core-metadata",
       {{"EXTERNALMQTT_URL", "tcp://localhost:1883"}}},
      DeviceService(kube::TextAt(gateway, {"spec", "deviceService"})),
  };
  if (kube::TextAt(gateway, {"spec", "profile"}) == "edgex-4.0-full") {
    services.push_back({"support-notifications", "support-notifications", 59860, "core-metadata", {}});
    services.push_back({"support-scheduler", "support-scheduler", 59863, "core-metadata", {}});
    services.push_back({"app-rules-engine",
                        "app-service-configurable",
                        59701,
                        "core-metadata",
                        {{"EDGEX_PROFILE", "rules-engine"}}});
  }
  return services;
}

/// A serial line of the host, in the container that speaks modbus.
void AddSerialDevice(const Json& gateway, Json& spec) {
  const std::string path = kube::TextAt(gateway, {"spec", "serialDevice"});
  if (path.empty()) return;
  spec["volumes"].push_back({{"name", "serial"}, {"hostPath", {{"path", path}, {"type", "CharDevice"}}}});
  for (Json& container : spec["containers"]) {
    if (container["name"] != "device-modbus") continue;
    container["volumeMounts"].push_back(Mount("serial", path));
    // A device that is only mounted can not be opened.
    container["securityContext"] = {{"privileged", true}, {"readOnlyRootFilesystem", true}};
  }
}

Json ProfilePod(const Json& gateway) {
  Json containers = Json::array({Database(gateway), Broker()});
  std::string order;
  for (const Service& service : ServicesOf(gateway)) {
    containers.push_back(EdgexService(gateway, service));
    order += (order.empty() ? "" : "; ") + service.name + "=" + service.after;
  }
  Json pod = {{"metadata", {{"annotations", {{"slicelet.io/depends-on", order}}}}}};
  pod["spec"] = {
      {"terminationGracePeriodSeconds", 10},
      {"automountServiceAccountToken", false},
      {"securityContext", {{"runAsUser", 2002}, {"runAsGroup", 2001}}},
      {"containers", std::move(containers)},
      {"volumes", Json::array({Json({{"name", "database"}, {"emptyDir", Json::object()}}),
                               Json({{"name", "run"}, {"emptyDir", {{"medium", "Memory"}}}}),
                               Json({{"name", "common"}, {"configMap", {{"name", SettingsOf(gateway)}}}})})},
  };
  AddSerialDevice(gateway, pod["spec"]);
  return pod;
}

Json TemplatePod(const Json& gateway) {
  const Json* made = kube::Find(gateway, {"spec", "template"});
  Json pod = made == nullptr ? Json::object() : *made;
  if (!pod["metadata"].is_object()) pod["metadata"] = Json::object();
  return pod;
}

/// The agent applies what this volume holds to core-metadata.
void AddDevices(const Json& gateway, Json& pod) {
  constexpr char kVolume[] = "slicelet-devices";
  if (kube::Find(pod, {"metadata", "annotations", "slicelet.io/iot-devices"}) != nullptr) return;
  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = kVolume;
  Json& volumes = pod["spec"]["volumes"];
  if (!volumes.is_array()) volumes = Json::array();
  volumes.push_back({{"name", kVolume}, {"configMap", {{"name", DevicesOf(gateway)}}}});
}

}  // namespace

std::string DatabaseSecretOf(const Json& gateway) { return kube::NameOf(gateway) + "-database"; }
std::string SettingsOf(const Json& gateway) { return kube::NameOf(gateway) + "-settings"; }
std::string DevicesOf(const Json& gateway) { return kube::NameOf(gateway) + "-devices"; }

bool HasProfile(const Json& gateway) { return kube::TextAt(gateway, {"spec", "profile"}) != "custom"; }

std::string DeviceServiceOf(const Json& gateway) {
  return DeviceService(kube::TextAt(gateway, {"spec", "deviceService"})).name;
}

Json CommonSettings() {
  // In place of a configuration provider (flag -cc). All services are in one pod, so every host is localhost.
  const char* text = R"(all-services:
  Service:
    HealthCheckInterval: 10s
    MaxResultCount: 1024
    RequestTimeout: 5s
  Database: {Type: postgres, Host: localhost, Port: 5432, Timeout: 5s}
  MessageBus:
    {Type: mqtt, Protocol: tcp, Host: localhost, Port: 1883, AuthMode: none, SecretName: "", BaseTopicPrefix: edgex,
     Optional: {Qos: "0", KeepAlive: "10", AutoReconnect: "true", ConnectTimeout: "5"}}
app-services:
  Clients: {core-metadata: {Protocol: http, Host: localhost, Port: 59881}}
  Trigger: {Type: edgex-messagebus, SubscribeTopics: "events/#"}
device-services:
  Clients: {core-metadata: {Protocol: http, Host: localhost, Port: 59881}}
  Device: {DataTransform: true, MaxCmdOps: 128, MaxCmdValueLen: 256, ProfilesDir: ./res/profiles, DevicesDir: ./res/devices,
           EnableAsyncReadings: true, AsyncBufferSize: 16}
)";
  return {{"common.yaml", text}};
}

std::string TargetText(const Json& spec) {
  std::string host = kube::TextAt(spec, {"target", "host"});
  if (!host.empty()) return host;
  const std::string condition = kube::TextAt(spec, {"target", "targetCondition"});
  return kube::TextAt(spec, {"target", "node"}) + (condition.empty() ? "" : ": " + condition);
}

void PlacePod(const Json& spec, const ControllerSettings& settings, Json& pod) {
  const std::string host = kube::TextAt(spec, {"target", "host"});
  pod["spec"]["nodeName"] = host.empty() ? kube::TextAt(spec, {"target", "node"}) : host;
  pod["spec"]["tolerations"].push_back({{"key", settings.taint_key}, {"operator", "Exists"}});
  Json& annotations = pod["metadata"]["annotations"];
  const std::string condition = kube::TextAt(spec, {"target", "targetCondition"});
  if (!condition.empty()) annotations["slicelet.io/target-condition"] = condition;
  const std::string placement = kube::TextAt(spec, {"target", "placement"});
  if (!placement.empty()) annotations["slicelet.io/placement"] = placement;
  if (const std::int64_t hosts = kube::IntegerAt(spec, {"target", "hosts"}, 0); hosts > 0) {
    annotations["slicelet.io/hosts"] = std::to_string(hosts);
  }
}

std::string RevisionOf(Json pod) {
  for (Json& container : pod["spec"]["containers"]) container.erase("image");
  return HexEncode(Sha256(pod.dump()).value()).substr(0, kRevisionLength);
}

Json GatewayPod(const Json& gateway, const ControllerSettings& settings, bool exporter) {
  Json pod = HasProfile(gateway) ? ProfilePod(gateway) : TemplatePod(gateway);
  Json& labels = pod["metadata"]["labels"];
  labels["slicelet.io/role"] = "gateway";
  labels[kHubLabel] = settings.hub_id;
  labels[kSliceLabel] = kube::TextAt(gateway, {"spec", "slice"});
  labels[kGatewayLabel] = kube::NameOf(gateway);
  PlacePod(gateway["spec"], settings, pod);
  AddDevices(gateway, pod);
  ReplaceImages(gateway, pod["spec"]);
  if (exporter) AddExporter(gateway, pod);
  return pod;
}

}  // namespace slicelet::provider
