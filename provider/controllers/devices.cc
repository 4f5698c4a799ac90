#include "provider/controllers/devices.h"

#include <utility>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/pods.h"
#include "provider/controllers/slices.h"

namespace slicelet::provider {
namespace {

/// Until the hosts' word is asked for again: while it is missing, and when all is well.
constexpr std::chrono::seconds kAskSoon{2};
constexpr std::chrono::seconds kAskLater{30};
/// Seconds, as device-modbus reads them.
constexpr char kModbusTimeout[] = "5";

std::optional<Finding> GatewayProblem(const World& world, const Json& device) {
  const std::string name = kube::TextAt(device, {"spec", "gateway"});
  const std::string ns = kube::NamespaceOf(device);
  const Json* gateway = world.Find(kube::kIotGateways, ns, name);
  if (gateway == nullptr) {
    return Finding{"GatewayNotFound", "spec.gateway: there is no IotGateway " + name + " in namespace " + ns +
                                          ": make it, or name another"};
  }
  const std::string spoken = kube::TextAt(*gateway, {"spec", "deviceService"});
  const std::string protocol = kube::TextAt(device, {"spec", "protocol"});
  if (HasProfile(*gateway) && spoken != protocol) {
    return Finding{"ProtocolNotSpoken", "spec.protocol: IotGateway " + name + " speaks " + spoken +
                                            " (its deviceService), not " + protocol};
  }
  return std::nullopt;
}

/// What the agent says while the gateway's services start.
bool IsWaiting(const std::string& reason) { return reason.rfind("WaitingFor", 0) == 0; }

Json ResourceOf(const Json& resource) {
  Json properties = {{"valueType", GetString(resource, "/valueType", "Float64")},
                     {"readWrite", GetString(resource, "/readWrite", "R")}};
  for (const char* member : {"units", "minimum", "maximum"}) {
    if (resource.contains(member)) properties[member] = resource[member];
  }
  Json made = {{"name", GetString(resource, "/name")}, {"properties", properties}};
  if (resource.contains("attributes")) made["attributes"] = resource["attributes"];
  return made;
}

/// The file of one device.
Json EntryOf(const Json& device, const Json& gateway) {
  const std::string name = kube::NameOf(device);
  Json resources = Json::array();
  Json events = Json::array();
  for (const Json& resource : GetArray(device, "/spec/resources")) {
    resources.push_back(ResourceOf(resource));
    if (resource.contains("interval")) {
      events.push_back({{"interval", resource["interval"]},
                        {"onChange", false},
                        {"sourceName", GetString(resource, "/name")}});
    }
  }
  Json made = {{"name", name},
               {"profileName", name},
               {"serviceName", DeviceServiceOf(gateway)},
               {"adminState", GetBool(device, "/spec/locked") ? "LOCKED" : "UNLOCKED"},
               {"operatingState", "UP"},
               {"protocols", ProtocolsOf(device)}};
  if (!events.empty()) made["autoEvents"] = events;
  if (const Json* labels = kube::Find(device, {"spec", "labels"})) made["labels"] = *labels;
  return {{"profile", {{"name", name}, {"deviceResources", resources}}}, {"device", made}};
}

/// What is not told stays as it was told before: a gateway that is away, suspended or begins anew takes no
/// last reading back.
void ShowReadings(const HeldReadings& readings, Plan& plan) {
  plan.Set("readingCount", readings.count);
  plan.Set("readingCountTime", FormatTime(readings.observed));
  if (readings.newest) plan.Set("lastReadingTime", FormatTime(*readings.newest));
}

class DeviceController final : public Controller {
 public:
  DeviceController(ControllerSettings settings, DeviceReports reports)
      : settings_(std::move(settings)), reports_(std::move(reports)) {}

  [[nodiscard]] const kube::Resource& kind() const override { return kube::kIotDevices; }

  [[nodiscard]] Outcome At(const World& world, const Json& device, const Look& look) const override {
    if (OfAnotherHub(world, settings_, kube::NamespaceOf(device))) return {};
    Plan plan(device, look.failure, look.now);
    plan.Check(GatewayProblem(world, device));
    const Json* gateway =
        world.Find(kube::kIotGateways, kube::NamespaceOf(device), kube::TextAt(device, {"spec", "gateway"}));
    const std::string file = kube::NameOf(device) + ".json";
    const Json* sent = gateway == nullptr
                           ? nullptr
                           : world.Find(kube::kConfigMaps, kube::NamespaceOf(device), DevicesOf(*gateway));
    const bool there = sent != nullptr && kube::TextAt(*sent, {"data", file}) == EntryText(device, gateway);
    plan.Await("Manifest", there, there ? "in the gateway's manifest" : "waits for its gateway");
    const std::optional<DeviceReport> report =
        plan.complete() ? Report(world, *gateway, device) : std::nullopt;
    const bool applied = report && report->applied;
    std::string reason = "Progressing";
    std::string says = "the gateway has not said anything of it yet";
    if (report && !applied) {
      reason = report->reason;
      says = report->message.empty() ? report->reason : report->message;
    }
    plan.Await("Registration", applied, applied ? "core-metadata has it" : says, reason);
    const bool registered = plan.complete();
    plan.Set("registered", registered);
    plan.Condition("Registered", registered ? "True" : "False",
                   registered ? Finding{"Registered", "core-metadata has it"} : plan.finding());
    if (report && report->readings) ShowReadings(*report->readings, plan);
    plan.Again(registered ? kAskLater : kAskSoon);
    const bool refused = plan.failed() || (report && !applied && !IsWaiting(report->reason));
    return plan.Finish(registered ? "Registered"
                       : refused  ? "Error"
                                  : "Pending",
                       {"Registered", "core-metadata has it"});
  }

  [[nodiscard]] std::vector<ObjectName> Concerned(const World& world, const kube::Resource& of,
                                                  const Json& changed) const override {
    std::string gateway;
    if (of == kube::kIotGateways) gateway = kube::NameOf(changed);
    if (of == kube::kPods || of == kube::kConfigMaps) {
      gateway = kube::TextAt(changed, {"metadata", "labels", kGatewayLabel});
    }
    std::vector<ObjectName> names;
    if (of == kube::kNamespaces) {
      for (const Json* device : world.In(kind(), kube::NameOf(changed)))
        names.push_back(NameIn(kind(), *device));
    }
    if (gateway.empty()) return names;
    for (const Json* device : world.In(kube::kIotDevices, kube::NamespaceOf(changed))) {
      if (kube::TextAt(*device, {"spec", "gateway"}) == gateway) names.push_back(NameIn(kind(), *device));
    }
    return names;
  }

 private:
  static std::string EntryText(const Json& device, const Json* gateway) {
    return gateway == nullptr ? "" : EntryOf(device, *gateway).dump();
  }

  [[nodiscard]] std::optional<DeviceReport> Report(const World& world, const Json& gateway,
                                                   const Json& device) const {
    for (const Json* pod : PodsOf(world, gateway, kGatewayLabel)) {
      if (auto report = reports_(kube::UidOf(*pod), kube::NameOf(device))) return report;
    }
    return std::nullopt;
  }

  const ControllerSettings settings_;
  const DeviceReports reports_;
};

}  // namespace

Json ProtocolsOf(const Json& device) {
  const std::string protocol = kube::TextAt(device, {"spec", "protocol"});
  const Json* given = kube::Find(device, {"spec", "protocolProperties"});
  Json properties = given == nullptr || !given->is_object() ? Json::object() : *given;
  const auto fill = [&properties](const char* name, const std::string& value) {
    if (!properties.contains(name)) properties[name] = value;
  };
  if (protocol == "mqtt") {
    fill("CommandTopic", "command/" + kube::NameOf(device));
    return {{"mqtt", properties}};
  }
  if (protocol == "modbus") {
    // device-modbus takes no device without them.
    fill("Timeout", kModbusTimeout);
    fill("IdleTimeout", kModbusTimeout);
    return {{properties.contains("Port") ? "modbus-tcp" : "modbus-rtu", properties}};
  }
  if (protocol == "rest" && properties.contains("Host")) return {{"REST", properties}};
  fill("Address", kube::NameOf(device));
  return {{"other", properties}};
}

std::vector<const Json*> DevicesOfGateway(const World& world, const Json& gateway) {
  std::vector<const Json*> devices;
  for (const Json* device : world.In(kube::kIotDevices, kube::NamespaceOf(gateway))) {
    const bool own = kube::TextAt(*device, {"spec", "gateway"}) == kube::NameOf(gateway);
    if (own && !kube::BeingDeleted(*device)) devices.push_back(device);
  }
  return devices;
}

Json DeviceEntries(const World& world, const Json& gateway) {
  Json data = Json::object();
  for (const Json* device : DevicesOfGateway(world, gateway)) {
    if (GatewayProblem(world, *device)) continue;
    data[kube::NameOf(*device) + ".json"] = EntryOf(*device, gateway).dump();
  }
  return data;
}

std::unique_ptr<Controller> MakeDeviceController(ControllerSettings settings, DeviceReports reports) {
  return std::make_unique<DeviceController>(std::move(settings), std::move(reports));
}

}  // namespace slicelet::provider
