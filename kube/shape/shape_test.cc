#include "kube/shape/shape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/json/yaml.h"
#include "kube/shape/schema.h"

namespace slicelet::kube {
namespace {

Json Pod() {
  return *ParseYaml(R"(
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: a}, annotations: {slicelet.io/autonomy: 10m}, finalizers: [x/y]}
spec:
  nodeName: gw-1
  terminationGracePeriodSeconds: 5
  hostNetwork: null
  tolerations: [{key: k, operator: Exists, tolerationSeconds: 300}]
  imagePullSecrets: [{name: registry}]
  affinity: {nodeAffinity: {a: [1]}}
  aFieldOfTomorrow: [1, {b: 2}]
  containers:
    - name: c
      image: i:1
      command: [sh, -c, exit]
      ports: [{containerPort: 80}]
      env: [{name: A, value: "1"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
      resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 0.5}}
      livenessProbe: {httpGet: {port: http, path: /}, periodSeconds: 1}
      volumeMounts: [{name: v, mountPath: /v, readOnly: true}]
  volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 600}}]}}]
)");
}

TEST(Shape, TakesWhatKubernetesTakes) {
  EXPECT_EQ(CheckShape("Pod", Pod()), absl::OkStatus());
  EXPECT_EQ(CheckShape("PodTemplate", Pod()), absl::OkStatus());
}

struct Case {
  const char* pointer;
  const char* value;
  const char* message;
};

class WrongShapeTest : public testing::TestWithParam<Case> {};

TEST_P(WrongShapeTest, IsNamed) {
  Json pod = Pod();
  pod[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  const absl::Status status = CheckShape("Pod", pod);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(Message(status), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WrongShapeTest,
    testing::Values(
        Case{"/spec/containers/0/name", "5", "spec.containers[0].name: is a number, where a text is needed"},
        Case{"/spec/containers/0/ports", "[80]",
             "spec.containers[0].ports[0]: is a number, where an object is needed"},
        Case{"/spec/containers/0/command/1", "null",
             "spec.containers[0].command[1]: is nothing, where a text is needed"},
        Case{"/spec/containers/0/env/0/value", "1",
             "spec.containers[0].env[0].value: is a number, where a text is needed"},
        Case{"/spec/containers/0/resources/limits/cpu", "[]",
             "spec.containers[0].resources.limits.cpu: is a list, where a quantity is needed"},
        Case{"/spec/containers/0/livenessProbe/httpGet/port", "1.5",
             "spec.containers[0].livenessProbe.httpGet.port: is a number, where a port's number or name is "
             "needed"},
        Case{"/spec/containers/0/volumeMounts/0/readOnly", R"("yes")",
             "spec.containers[0].volumeMounts[0].readOnly: is a text, where true or false is needed"},
        Case{"/spec/tolerations", "{}", "spec.tolerations: is an object, where a list is needed"},
        Case{"/spec/tolerations/0/tolerationSeconds", R"("300")",
             "spec.tolerations[0].tolerationSeconds: is a text, where a whole number is needed"},
        Case{"/spec/volumes/0/projected/sources/0/serviceAccountToken/path", "true",
             "spec.volumes[0].projected.sources[0].serviceAccountToken.path: is true or false, where a text "
             "is "
             "needed"},
        Case{"/metadata/annotations/slicelet.io~1autonomy", "600",
             "metadata.annotations.slicelet.io/autonomy: is a number, where a text is needed"},
        Case{"/metadata", "[]", "metadata: is a list, where an object is needed"},
        Case{"/spec", R"("x")", "spec: is a text, where an object is needed"}));

/// A name that nothing has would let everything pass.
TEST(Shape, EveryTypeOfTheSchemaIsThere) {
  const Json shapes = Json::parse(kShapes);
  const std::set<std::string> plain = {"text", "int", "bool", "quantity", "port", "any"};
  for (const auto& [name, members] : shapes.items()) {
    for (const auto& [member, type] : members.items()) {
      std::string inner = type.get<std::string>();
      while (inner.front() == '[' || inner.front() == '{') inner = inner.substr(1, inner.size() - 2);
      EXPECT_TRUE(plain.count(inner) != 0 || shapes.contains(inner))
          << name << "." << member << ": " << inner;
    }
  }
}

}  // namespace
}  // namespace slicelet::kube
