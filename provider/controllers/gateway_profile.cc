#include "provider/controllers/gateway_profile.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/kept_database.h"
#include "provider/controllers/pod_parts.h"
#include "provider/controllers/server_names.h"

namespace slicelet::provider {
namespace {

constexpr char kEdgexVersion[] = "4.0.1";
constexpr char kDatabaseImage[] = "postgres:18.1-alpine3.22";
constexpr int kRulesPort = 59720;
/// EdgeX's ports lie among those that the kernel gives to outgoing connections: one that got a service's port
/// would keep that service from starting for as long as it stands.
constexpr char kReservedPorts[] = "59700-59999";
constexpr char kSettingsPath[] = "/etc/edgex";
constexpr char kDeviceBrokerSettings[] = "device-broker.conf";
constexpr int kDeviceBrokerPort = 1884;

/// One EdgeX service.
struct Service {
  std::string name;
  /// Without registry and version.
  std::string image;
  int port;
  std::string after;
  std::vector<std::pair<std::string, std::string>> environment;
};

/// One whose data goes with its pod.
Json Database(const Json& gateway) {
  Json made = Container("postgres", kDatabaseImage);
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

/// The port of the host at which IoT devices speak to the gateway; 0: none is asked for.
std::int64_t DevicePortOf(const Json& gateway) { return kube::IntegerAt(gateway, {"spec", "devicePort"}, 0); }

bool HasDeviceBroker(const Json& gateway) {
  return DevicePortOf(gateway) != 0 && kube::TextAt(gateway, {"spec", "deviceService"}) == "mqtt";
}

Json Settings() {
  Json mount = Mount("common", kSettingsPath);
  mount["readOnly"] = true;
  return mount;
}

/// For IoT devices outside the pod. EdgeX's own bus is not theirs: whoever may publish there is any service.
Json DeviceBroker(const Json& gateway) {
  Json made = Broker();
  made["name"] = "device-broker";
  made["command"] = {"/usr/sbin/mosquitto", "-c", std::string(kSettingsPath) + "/" + kDeviceBrokerSettings};
  made["volumeMounts"] = Json::array({Settings()});
  made["ports"] = Json::array({Json({{"name", "mqtt"},
                                     {"containerPort", kDeviceBrokerPort},
                                     {"hostPort", DevicePortOf(gateway)},
                                     {"protocol", "TCP"}})});
  Probe(made, TcpProbe(kDeviceBrokerPort));
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
  if (service.name == "device-rest" && DevicePortOf(gateway) != 0)
    made["ports"][0]["hostPort"] = DevicePortOf(gateway);
  made["volumeMounts"] = Json::array({Settings()});
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
  if (HasDeviceBroker(gateway)) {
    services.back().after += ",device-broker";
    services.back().environment.emplace_back("MQTTBROKERINFO_PORT", std::to_string(kDeviceBrokerPort));
  }
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

/// Runs rules over what app-rules-engine publishes. They are made by its REST API, and go with the pod.
Json RulesEngine() {
  Json made = Container("ekuiper", "lfedge/ekuiper:2.3.1-alpine");
  made["env"] = Json::array({Env("KUIPER__BASIC__CONSOLELOG", "true"),
                             Env("KUIPER__BASIC__RESTPORT", std::to_string(kRulesPort)),
                             Env("EDGEX__DEFAULT__TOPIC", "edgex/rules-events")});
  // Where it reads, and where its rules' actions publish; two clients of one broker.
  for (const char* client : {"EDGEX__DEFAULT", "CONNECTION__EDGEX__MQTTMSGBUS"}) {
    const std::string prefix = std::string(client) + "__";
    const bool reads = prefix == "EDGEX__DEFAULT__";
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"TYPE", "mqtt"},
             {"PROTOCOL", "tcp"},
             {"SERVER", "localhost"},
             {"PORT", "1883"},
             {"OPTIONAL__CLIENTID", reads ? "kuiper-rules-engine" : "kuiper-rules-engine-actions"}}) {
      made["env"].push_back(Env(prefix + name, value));
    }
  }
  made["ports"] =
      Json::array({Json({{"name", "http-" + std::to_string(kRulesPort)}, {"containerPort", kRulesPort}})});
  // As whom the image is made: it writes beside its program.
  made["securityContext"] = User(1001);
  made["volumeMounts"] = Json::array({Mount("rules", "/kuiper/data")});
  Probe(made, HttpProbe(kRulesPort, "/ping"));
  made["resources"] = Resources("10m", "32Mi", "256Mi");
  return made;
}

/// A serial line of the host, in the container that speaks modbus.
void AddSerialDevice(const Json& gateway, Json& spec) {
  const std::string path = kube::TextAt(gateway, {"spec", "serialDevice"});
  if (path.empty()) return;
  spec["volumes"].push_back({{"name", "serial"}, {"hostPath", {{"path", path}, {"type", "CharDevice"}}}});
  for (Json& container : spec["containers"]) {
    if (container["name"] != "device-modbus") continue;
    container["volumeMounts"].push_back(Mount("serial", path));
    // A device that is only mounted can not be opened, and it belongs to root and a group of the host's.
    container["securityContext"] = {
        {"privileged", true}, {"readOnlyRootFilesystem", true}, {"runAsUser", 0}, {"runAsGroup", 0}};
  }
}

/// Puts a database whose data stays on the host in the place of the other.
void KeepDatabase(const Json& gateway, Json& spec) {
  const KeptDatabase database{
      .image = DatabaseImageOf(gateway),
      .databases = {"edgex_db"},
      .password = EnvOfSecret("DATABASE_PASSWORD", DatabaseSecretOf(gateway), "password"),
      .quoted = true};
  spec["initContainers"] = Json::array({OwnData(database), BeginDatabase(database)});
  spec["containers"][0] = RunDatabase(kDatabaseImage);
  // It needs no socket beside.
  spec["volumes"].erase(1);
  spec["volumes"][0] = KeptVolume("database", DataPathOf(gateway) + "/database");
}

Json ProfilePod(const Json& gateway) {
  Json containers = Json::array({Database(gateway), Broker()});
  if (HasDeviceBroker(gateway)) containers.push_back(DeviceBroker(gateway));
  std::string order;
  for (const Service& service : ServicesOf(gateway)) {
    containers.push_back(EdgexService(gateway, service));
    order += (order.empty() ? "" : "; ") + service.name + "=" + service.after;
  }
  const bool full = kube::TextAt(gateway, {"spec", "profile"}) == "edgex-4.0-full";
  if (full) {
    containers.push_back(RulesEngine());
    order += "; ekuiper=mosquitto";
  }
  Json pod = {{"metadata", {{"annotations", {{"slicelet.io/depends-on", order}}}}}};
  pod["spec"] = {
      {"terminationGracePeriodSeconds", 10},
      {"automountServiceAccountToken", false},
      {"securityContext",
       {{"runAsUser", 2002},
        {"runAsGroup", 2001},
        {"sysctls",
         Json::array({{{"name", "net.ipv4.ip_local_reserved_ports"}, {"value", kReservedPorts}}})}}},
      {"containers", std::move(containers)},
      {"volumes", Json::array({Json({{"name", "database"}, {"emptyDir", Json::object()}}),
                               Json({{"name", "run"}, {"emptyDir", {{"medium", "Memory"}}}}),
                               Json({{"name", "common"}, {"configMap", {{"name", SettingsOf(gateway)}}}})})},
  };
  if (KeepsData(gateway)) KeepDatabase(gateway, pod["spec"]);
  if (full) pod["spec"]["volumes"].push_back({{"name", "rules"}, {"emptyDir", Json::object()}});
  AddSerialDevice(gateway, pod["spec"]);
  return pod;
}

Json TemplatePod(const Json& gateway) {
  const Json* made = kube::Find(gateway, {"spec", "template"});
  Json pod = made == nullptr || !made->is_object() ? Json::object() : *made;
  if (!pod["metadata"].is_object()) pod["metadata"] = Json::object();
  return pod;
}

/// The agent applies what this volume holds to core-metadata.
void AddDevices(const Json& gateway, Json& pod) {
  constexpr char kVolume[] = "slicelet-devices";
  if (kube::Find(pod, {"metadata", "annotations", "slicelet.io/iot-devices"}) != nullptr) return;
  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = kVolume;
  Append(pod["spec"], "volumes", {{"name", kVolume}, {"configMap", {{"name", DevicesOf(gateway)}}}});
}

}  // namespace

std::string DatabaseSecretOf(const Json& gateway) { return kube::NameOf(gateway) + "-database"; }
std::string SettingsOf(const Json& gateway) { return kube::NameOf(gateway) + "-settings"; }
std::string DevicesOf(const Json& gateway) { return kube::NameOf(gateway) + "-devices"; }

bool HasProfile(const Json& gateway) { return kube::TextAt(gateway, {"spec", "profile"}) != "custom"; }

bool KeepsData(const Json& gateway) {
  return HasProfile(gateway) && !kube::TextAt(gateway, {"spec", "dataPath"}).empty();
}

std::string DatabaseImageOf(const Json& gateway) {
  const std::string own = kube::TextAt(gateway, {"spec", "images", "postgres"});
  return own.empty() ? kDatabaseImage : own;
}

std::string DeviceServiceOf(const Json& gateway) {
  return DeviceService(kube::TextAt(gateway, {"spec", "deviceService"})).name;
}

Json CommonSettings() {
  // In place of a configuration provider (flag -cc). All services are in one pod, so every host is localhost.
  // Without an address to listen at they would listen there, and nothing outside the pod's network, as its
  // probes, reaches them.
  const char* text = R"(all-services:
  Service:
    ServerBindAddr: 0.0.0.0
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
  const std::string broker = "listener " + std::to_string(kDeviceBrokerPort) + "\nallow_anonymous true\n";
  return {{"common.yaml", text}, {kDeviceBrokerSettings, broker}};
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
  Append(pod["spec"], "tolerations", {{"key", settings.taint_key}, {"operator", "Exists"}});
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
  if (kube::Find(pod, {"metadata", "annotations", kHostAliasesAnnotation}) != nullptr)
    pod["metadata"]["annotations"].erase(kHostAliasesAnnotation);
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
  PlacePod(GetObject(gateway, "/spec"), settings, pod);
  AddDevices(gateway, pod);
  ReplaceImages(gateway, pod["spec"]);
  if (exporter) AddExporter(gateway, pod);
  return pod;
}

}  // namespace slicelet::provider
