#include <nlohmann/json.hpp>

#include "tests/integration/kinds_cases.h"

namespace slicelet::kube {

std::vector<KindCase> Rules() {
  return {
      {kEdgeHosts, R"({"approved":true,"tags":{"site":"north"}})", ""},
      {kEdgeHosts, R"({"tags":{)" + Long(200) + R"(:"north"}})", "at most 128 characters"},
      {kIotClusters, R"({})", ""},
      {kIotClusters, R"({"role":null})", "spec.role: Required value"},
      {kIotClusters, R"({"role":"fog"})", "spec.role: Unsupported value"},
      {kIotClusters, R"({"kubeconfigSecret":"far","context":"admin@far"})", ""},
      {kIotClusters, R"({"context":"admin@far"})", "give kubeconfigSecret"},
      {kIotSlices, R"({})", ""},
      {kIotSlices,
       R"({"edge":{"cluster":"here","nodes":["gw-1"]},"cloud":{"cluster":"far","node":"c-1.example"},)"
       R"("quota":{"pods":20,"cpu":"500m","memory":"1.5Gi","gateways":3}})",
       ""},
      {kIotSlices, R"({"quota":{"cpu":2}})", ""},
      {kIotSlices, R"({"quota":{}})", "spec.quota"},
      {kIotSlices, R"({"quota":{"cpu":"much"}})", "spec.quota.cpu"},
      {kIotSlices, R"({"quota":{"pods":-1}})", "spec.quota.pods"},
      {kIotSlices, R"({"quota":{"pods":100001}})", "spec.quota.pods"},
      {kIotSlices, R"({"namespace":"kube-system"})", "belongs to Kubernetes"},
      {kIotSlices, R"({"namespace":"default"})", "belongs to Kubernetes"},
      {kIotSlices, R"({"namespace":"Upper"})", "spec.namespace"},
      {kIotSlices, R"({"edge":{"nodes":["a","a"]}})", "spec.edge.nodes[1]: Duplicate value"},
      {kIotSlices, R"({"edge":{"cluster":"-a"}})", "spec.edge.cluster"},
      {kIotGateways, R"({})", ""},
      {kIotGateways, R"({"slice":null})", "spec.slice: Required value"},
      {kIotGateways, R"({"target":null})", "spec.target: Required value"},
      {kIotGateways, R"({"target":{"host":null}})", "give host (one edge machine) or node"},
      {kIotGateways, R"({"target":{"node":"fleet"}})", "give host (one edge machine) or node"},
      {kIotGateways, R"({"target":{"targetCondition":"tags.a = 'b'"}})", "give node"},
      {kIotGateways, R"({"target":{"placement":"all"}})", "give node"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","hosts":2}})", "other than all"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"all","hosts":2}})",
       "other than all"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"best-fit","hosts":0}})",
       "spec.target.hosts"},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"anywhere"}})",
       "spec.target.placement: Unsupported value: \"anywhere\""},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"traffic-most","hosts":3}})", ""},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"most_traffic"}})", ""},
      {kIotGateways,
       R"({"target":{"host":null,"node":"fleet","targetCondition":"tags.site = 'north'",)"
       R"("placement":"worst-fit","hosts":2}})",
       ""},
      {kIotGateways, R"({"deviceService":"opcua"})", "spec.deviceService: Unsupported value"},
      {kIotGateways, R"({"deviceService":"mqtt","devicePort":11883})", ""},
      {kIotGateways, R"({"deviceService":"rest","devicePort":8080})", ""},
      {kIotGateways, R"({"deviceService":"mqtt","devicePort":0})", "spec.devicePort"},
      {kIotGateways, R"({"deviceService":"mqtt","devicePort":65536})", "spec.devicePort"},
      {kIotGateways, R"({"devicePort":8080})", "for deviceService mqtt or rest"},
      {kIotGateways,
       R"({"deviceService":"mqtt","devicePort":1,"profile":"custom","template":{"spec":{"containers":[{"name":"a","image":"b"}]}}})",
       "for deviceService mqtt or rest of a profile"},
      {kIotGateways, R"({"serialDevice":"/dev/ttyUSB0"})", "for deviceService modbus"},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/dev/ttyUSB0"})", ""},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/dev/../etc/shadow"})",
       "must not contain .."},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":"/etc/shadow"})", "spec.serialDevice"},
      {kIotGateways, R"({"profile":"edgex-1.0"})", "spec.profile: Unsupported value"},
      {kIotGateways, R"({"profile":"custom"})", "give both or neither"},
      {kIotGateways, R"({"template":{"spec":{"containers":[{"name":"a","image":"b"}]}}})",
       "give both or neither"},
      {kIotGateways,
       R"({"profile":"custom","template":{"metadata":{"labels":{"a":"b"}},)"
       R"("spec":{"containers":[{"name":"a","image":"b"}],"volumes":[]}}})",
       ""},
      {kIotGateways,
       R"({"profile":"custom","template":{"spec":{"nodeName":"n","containers":[{"name":"a","image":"b"}]}}})",
       "spec.target to say"},
      {kIotGateways, R"({"profile":"custom","template":{"spec":{"containers":[]}}})",
       "spec.template.spec.containers"},
      {kIotGateways, R"({"update":{"strategy":"hand-over","rollbackAfter":"1h30m"}})", ""},
      {kIotGateways, R"({"update":{"strategy":"pull-first"}})", "spec.update.strategy"},
      {kIotGateways, R"({"update":{"rollbackAfter":"0m"}})", "spec.update.rollbackAfter"},
      {kIotServers, R"({})", ""},
      {kIotServers, R"({"profile":"external"})", "url is where"},
      {kIotServers, R"({"url":"https://iot.example.com"})", "url is where"},
      {kIotServers, R"({"profile":"external","url":"https://iot.example.com:8443/api"})", ""},
      {kIotServers, R"({"profile":"external","url":"ftp://iot.example.com"})", "spec.url"},
      {kIotServers, R"({"profile":"external","url":"https://me:secret@iot.example.com"})", "spec.url"},
      {kIotServers,
       R"({"profile":"external","url":"http://a","endpoints":{"users":"http://a:8180","things":"http://a:8182",)"
       R"("auth":"http://a:8989","mqtt":"tcp://a:1883"}})",
       ""},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"mqtt":"http://a:1883"}})",
       "spec.endpoints.mqtt"},
      {kIotServers, R"({"endpoints":{"mqtt":"tcp://a:1883"}})", "give url"},
      {kIotServers, R"({"profile":"external","url":"http://a","target":{"host":"gw-1"}})",
       "leave target out"},
      {kIotServers, R"({"profile":"external","url":"http://a","suspended":true})", "cannot be suspended"},
      {kIotServers, R"({"dialect":"magistrala","domain":"d"})", "run by others"},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala"})", "needs a domain"},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala","domain":"d"})", ""},
      {kIotServers, R"({"domain":"d"})", "for dialect magistrala"},
      {kIotServers, R"({"createUser":true})", ""},
      {kIotServers, R"({"profile":"external","url":"http://a","createUser":true})",
       "needs credentialsSecret"},
      {kIotServers,
       R"({"target":{"host":"gw-1"},"address":"10.0.0.7","ports":{"mqtt":2883},"dataPath":"/srv/iot"})", ""},
      {kIotServers, R"({"target":{"host":"gw-1","node":"gw-1"}})", "not both"},
      {kIotServers, R"({"target":{}})", "not both"},
      {kIotServers, R"({"profile":"external","url":"http://a","address":"a"})", "give endpoints"},
      {kIotServers, R"({"profile":"external","url":"http://a","ports":{"mqtt":1}})", "give endpoints"},
      {kIotServers, R"({"address":"http://a"})", "spec.address"},
      {kIotServers, R"({"ports":{}})", ""},
      {kIotServers, R"({"ports":{"mqtt":0}})", "spec.ports.mqtt"},
      {kIotServers, R"({"ports":{"mqtt":65536}})", "spec.ports.mqtt"},
      {kIotServers, R"({"ports":{"mqtt":8180}})", "may be the same"},
      {kIotGateways, R"({"dataPath":"/srv/gateways"})", ""},
      {kIotGateways,
       R"({"profile":"custom","dataPath":"/srv","template":{"spec":{"containers":[{"name":"a"}]}}})",
       "use a hostPath volume"},
      {kIotGateways, R"({"dataPath":"relative"})", "spec.dataPath"},
      {kIotGateways, R"({"dataPath":"/srv/../etc"})", "must not contain .."},
      {kIotServers, R"({"dataPath":"relative"})", "spec.dataPath"},
      {kIotServers, R"({"dataPath":"/"})", "spec.dataPath"},
      {kIotServers, R"({"dataPath":"/var/lib/../../etc"})", "must not contain .."},
      {kIotServers, R"({"createUser":true,"credentialsSecret":"admin"})", ""},
      {kIotServers, R"({"tls":{"caBundle":"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"}})",
       "tls is for a server of profile external"},
      {kIotServers,
       R"({"profile":"external","url":"https://a","tls":{"caBundle":"-----BEGIN CERTIFICATE-----\nMII"}})",
       ""},
      {kIotServers, R"({"profile":"external","url":"https://a","tls":{"caBundle":"/etc/ssl/ca.crt"}})",
       "a PEM certificate is expected"},
      {kIotServers, R"({"profile":"external","url":"https://a","tls":{}})",
       "spec.tls.caBundle: Required value"},
      {kIotDevices, R"({})", ""},
      {kIotDevices, R"({"gateway":null})", "spec.gateway: Required value"},
      {kIotDevices, R"({"protocol":null})", "spec.protocol: Required value"},
      {kIotDevices, R"({"protocol":"coap"})", "spec.protocol: Unsupported value"},
      {kIotDevices, R"({"resources":[]})", "spec.resources"},
      {kIotDevices, R"({"resources":[{"name":"a"},{"name":"a"}]})", "spec.resources[1]: Duplicate value"},
      {kIotDevices, R"({"resources":[{"name":"a b"}]})", "spec.resources[0].name"},
      {kIotDevices, R"({"resources":[{"name":"a","valueType":"Complex"}]})", "spec.resources[0].valueType"},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":2,"maximum":1}]})", "minimum is above maximum"},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":-0.5,"maximum":1}]})", ""},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"10s","readWrite":"W"}]})", "has no interval"},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"often"}]})", "spec.resources[0].interval"},
      {kIotDevices, R"({"resources":[{"name":"a","interval":"500ms"}]})", ""},
      {kIotDevices, R"({"protocol":"modbus"})", "needs protocolProperties"},
      {kIotDevices, R"({"protocol":"modbus","protocolProperties":{"Address":"10.0.0.7"}})",
       "needs protocolProperties"},
      {kIotDevices, R"({"protocol":"mqtt"})", ""},
      {kIotDevices, R"({"protocol":"mqtt","protocolProperties":{"CommandTopic":"line/3"}})", ""},
      {kIotDevices, R"({"protocol":"mqtt","protocolProperties":{"CommandTopic":""}})", "is a topic"},
      {kIotDevices, R"({"protocol":"mqtt","protocolProperties":{"CommandTopic":"line/#"}})", "is a topic"},
      {kIotDevices, R"({"protocol":"rest"})", ""},
      {kIotDevices, R"({"protocol":"rest","protocolProperties":{"Host":"a","Port":"80","Path":"api"}})", ""},
      {kIotDevices, R"({"protocol":"rest","protocolProperties":{"Host":"a","Path":"api"}})",
       "Host, Port and Path"},
      {kIotDevices, R"({"protocol":"rest","protocolProperties":{"Host":"a","Port":"0","Path":"api"}})",
       "Port is a number from 1 to 65535"},
      {kIotDevices, R"({"protocol":"rest","protocolProperties":{"Host":"a","Port":"http","Path":"api"}})",
       "Port is a number from 1 to 65535"},
  };
}

std::vector<KindCase> ModbusRules() {
  const std::string tcp = R"({"Address":"10.0.0.7","Port":"502","UnitID":"1"})";
  const std::string serial =
      R"({"Address":"/dev/ttyUSB0","BaudRate":"9600","DataBits":"8","StopBits":"1","Parity":"N","UnitID":"1"})";
  const std::string register_1 =
      R"({"name":"a","attributes":{"primaryTable":"HOLDING_REGISTERS","startingAddress":"1"}})";
  std::vector<KindCase> cases;
  const auto add = [&](const std::string& base, const std::string& change, const std::string& resource,
                       const std::string& refusal) {
    Json properties = Json::parse(base);
    properties.merge_patch(Json::parse(change));
    const Json spec = {{"protocol", "modbus"},
                       {"protocolProperties", properties},
                       {"resources", Json::array({Json::parse(resource)})}};
    cases.push_back({kIotDevices, spec.dump(), refusal});
  };
  add(tcp, "{}", register_1, "");
  add(tcp, R"({"UnitID":null})", register_1, "needs protocolProperties");
  for (const char* unit : {"256", "-1", "one", ""})
    add(tcp, Json({{"UnitID", unit}}).dump(), register_1, "UnitID");
  for (const char* port : {"0", "65536", "502x"}) add(tcp, Json({{"Port", port}}).dump(), register_1, "Port");
  for (const char* time : {"1", "500ms", "2s"}) add(tcp, Json({{"Timeout", time}}).dump(), register_1, "");
  add(tcp, R"({"Timeout":"soon"})", register_1, "Timeout and IdleTimeout");
  add(tcp, R"({"IdleTimeout":"-1h"})", register_1, "Timeout and IdleTimeout");
  add(serial, "{}", register_1, "");
  for (const char* name : {"BaudRate", "DataBits", "StopBits", "Parity"}) {
    add(serial, Json({{name, nullptr}}).dump(), register_1, "is over a serial line");
    add(serial, Json({{name, "many"}}).dump(), register_1, "is over a serial line");
  }
  for (const char* baud : {"10", "4000001", "9600.5"})
    add(serial, Json({{"BaudRate", baud}}).dump(), register_1, "is over a serial line");
  add(serial, R"({"DataBits":"9"})", register_1, "is over a serial line");
  add(serial, R"({"StopBits":"3"})", register_1, "is over a serial line");
  add(serial, R"({"Parity":"even"})", register_1, "is over a serial line");
  add(serial, R"({"Address":"10.0.0.7"})", register_1, "is over a serial line");
  add(tcp, "{}", R"({"name":"a"})", "needs the attributes primaryTable");
  add(tcp, "{}", R"({"name":"a","attributes":{"primaryTable":"COILS"}})",
      "needs the attributes primaryTable");
  add(tcp, "{}", R"({"name":"a","attributes":{"primaryTable":"TABLES","startingAddress":"1"}})",
      "needs the attributes primaryTable");
  add(tcp, "{}", R"({"name":"a","attributes":{"primaryTable":"COILS","startingAddress":"65536"}})",
      "startingAddress");
  add(tcp, "{}",
      R"({"name":"a","readWrite":"RW","attributes":{"primaryTable":"COILS","startingAddress":"0"}})", "");
  // EdgeX knows both of these ways to write it, and panics at others.
  for (const char* table : {"DISCRETE_INPUT", "DISCRETES_INPUTS"}) {
    const Json unknown = {{"name", "a"}, {"attributes", {{"primaryTable", table}, {"startingAddress", "0"}}}};
    add(tcp, "{}", unknown.dump(), "needs the attributes primaryTable");
  }
  for (const char* table : {"INPUT_REGISTERS", "DISCRETES_INPUT", "DISCRETE_INPUTS"}) {
    Json resource = {{"name", "a"}, {"attributes", {{"primaryTable", table}, {"startingAddress", "0"}}}};
    add(tcp, "{}", resource.dump(), "");
    resource["readWrite"] = "RW";
    add(tcp, "{}", resource.dump(), "can only be read");
  }
  return cases;
}

}  // namespace slicelet::kube
