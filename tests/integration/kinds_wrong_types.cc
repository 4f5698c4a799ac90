#include "tests/integration/kinds_cases.h"

namespace slicelet::kube {
namespace {

/// What a field holds: no text, a text that may be empty, or one that may not.
enum class Content { kOther, kAnyText, kText };

}  // namespace

std::vector<KindCase> WrongTypesAndSizes() {
  using enum Content;
  struct Field {
    const Resource& kind;
    std::string before, after;
    Content content;
  };
  const std::vector<Field> fields = {
      {kEdgeHosts, R"({"approved":)", "}", kOther},
      {kEdgeHosts, R"({"revoked":)", "}", kOther},
      {kEdgeHosts, R"({"maintenance":)", "}", kOther},
      {kEdgeHosts, R"({"tags":)", "}", kOther},
      {kEdgeHosts, R"({"tags":{"site":)", "}}", kAnyText},
      {kIotClusters, R"({"role":)", "}", kText},
      {kIotClusters, R"({"kubeconfigSecret":)", "}", kText},
      {kIotClusters, R"({"kubeconfigSecret":"s","context":)", "}", kText},
      {kIotClusters, R"({"description":)", "}", kAnyText},
      {kIotSlices, R"({"namespace":)", "}", kText},
      {kIotSlices, R"({"edge":)", "}", kOther},
      {kIotSlices, R"({"edge":{"cluster":)", "}}", kText},
      {kIotSlices, R"({"edge":{"nodes":)", "}}", kOther},
      {kIotSlices, R"({"edge":{"nodes":[)", "]}}", kText},
      {kIotSlices, R"({"cloud":)", "}", kOther},
      {kIotSlices, R"({"cloud":{"cluster":)", "}}", kText},
      {kIotSlices, R"({"cloud":{"node":)", "}}", kText},
      {kIotSlices, R"({"quota":)", "}", kOther},
      {kIotSlices, R"({"quota":{"pods":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"cpu":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"memory":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"gateways":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"servers":)", "}}", kOther},
      {kIotSlices, R"({"quota":{"devices":)", "}}", kOther},
      {kIotGateways, R"({"slice":)", "}", kText},
      {kIotGateways, R"({"profile":)", "}", kText},
      {kIotGateways, R"({"deviceService":)", "}", kText},
      {kIotGateways, R"({"deviceService":"mqtt","devicePort":)", "}", kOther},
      {kIotGateways, R"({"deviceService":"modbus","serialDevice":)", "}", kText},
      {kIotGateways, R"({"target":)", "}", kOther},
      {kIotGateways, R"({"target":{"host":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","targetCondition":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":)", "}}", kText},
      {kIotGateways, R"({"target":{"host":null,"node":"fleet","placement":"best-fit","hosts":)", "}}",
       kOther},
      {kIotGateways, R"({"attachTo":)", "}", kText},
      {kIotGateways, R"({"suspended":)", "}", kOther},
      {kIotGateways, R"({"update":)", "}", kOther},
      {kIotGateways, R"({"update":{"strategy":)", "}}", kText},
      {kIotGateways, R"({"update":{"rollbackAfter":)", "}}", kText},
      {kIotGateways, R"({"images":)", "}", kOther},
      {kIotGateways, R"({"images":{"core-data":)", "}}", kText},
      {kIotGateways, R"({"imagePullSecrets":)", "}", kOther},
      {kIotGateways, R"({"imagePullSecrets":[)", "]}", kText},
      {kIotGateways, R"({"profile":"custom","template":)", "}", kOther},
      {kIotGateways, R"({"profile":"custom","template":{"spec":)", "}}", kOther},
      {kIotGateways, R"({"profile":"custom","template":{"spec":{"containers":)", "}}}", kOther},
      {kIotServers, R"({"slice":)", "}", kText},
      {kIotServers, R"({"profile":)", "}", kText},
      {kIotServers, R"({"dialect":)", "}", kText},
      {kIotServers, R"({"profile":"external","url":)", "}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":)", "}", kOther},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"users":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"things":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"auth":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"access":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","endpoints":{"mqtt":)", "}}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","dialect":"magistrala","domain":)", "}", kText},
      {kIotServers, R"({"profile":"external","url":"http://a","tls":)", "}", kOther},
      {kIotServers, R"({"profile":"external","url":"http://a","tls":{"caBundle":)", "}}", kText},
      {kIotServers, R"({"credentialsSecret":)", "}", kText},
      {kIotServers, R"({"credentialsSecret":"s","createUser":)", "}", kOther},
      {kIotServers, R"({"target":)", "}", kOther},
      {kIotServers, R"({"target":{"host":)", "}}", kText},
      {kIotServers, R"({"target":{"node":)", "}}", kText},
      {kIotServers, R"({"address":)", "}", kText},
      {kIotServers, R"({"ports":)", "}", kOther},
      {kIotServers, R"({"ports":{"users":)", "}}", kOther},
      {kIotServers, R"({"ports":{"things":)", "}}", kOther},
      {kIotServers, R"({"ports":{"auth":)", "}}", kOther},
      {kIotServers, R"({"ports":{"access":)", "}}", kOther},
      {kIotServers, R"({"ports":{"mqtt":)", "}}", kOther},
      {kIotServers, R"({"dataPath":)", "}", kText},
      {kIotGateways, R"({"dataPath":)", "}", kText},
      {kIotServers, R"({"suspended":)", "}", kOther},
      {kIotServers, R"({"images":{"users":)", "}}", kText},
      {kIotServers, R"({"imagePullSecrets":[)", "]}", kText},
      {kIotDevices, R"({"gateway":)", "}", kText},
      {kIotDevices, R"({"protocol":)", "}", kText},
      {kIotDevices, R"({"protocolProperties":)", "}", kOther},
      {kIotDevices, R"({"protocolProperties":{"CommandTopic":)", "}}", kAnyText},
      {kIotDevices, R"({"locked":)", "}", kOther},
      {kIotDevices, R"({"labels":)", "}", kOther},
      {kIotDevices, R"({"labels":[)", "]}", kText},
      {kIotDevices, R"({"resources":)", "}", kOther},
      {kIotDevices, R"({"resources":[{"name":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","valueType":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","readWrite":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","units":)", "}]}", kAnyText},
      {kIotDevices, R"({"resources":[{"name":"a","minimum":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","maximum":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","interval":)", "}]}", kText},
      {kIotDevices, R"({"resources":[{"name":"a","attributes":)", "}]}", kOther},
      {kIotDevices, R"({"resources":[{"name":"a","attributes":{"primaryTable":)", "}}]}", kAnyText},
  };
  std::vector<KindCase> cases;
  for (const Field& field : fields) {
    // Every refusal names a field of the spec.
    cases.push_back(
        {field.kind, field.before + (field.content == kOther ? Long(3) : "7") + field.after, "spec."});
    cases.push_back({field.kind, field.before + Long(10'000) + field.after, "spec."});
    if (field.content == kOther) continue;
    cases.push_back(
        {field.kind, field.before + R"("")" + field.after, field.content == kAnyText ? "" : "spec."});
  }
  return cases;
}

}  // namespace slicelet::kube
