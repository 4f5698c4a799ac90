// What a pod can not be: the refusal names the field and the value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json/testing/mutations.h"
#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::HasSubstr;

struct BadCase {
  const char* pointer;
  const char* value;
  const char* field;
  const char* in_message;
};

class BadValue : public ::testing::TestWithParam<BadCase> {};
TEST_P(BadValue, IsRefusedByName) {
  const BadCase& bad = GetParam();
  const auto refusal = Refused(With(bad.pointer, Json::parse(bad.value)));
  EXPECT_EQ(refusal.field(), bad.field);
  EXPECT_THAT(refusal.message(), HasSubstr(bad.in_message));
}

TEST(Refusals, AHeaderThatNoServerTakes) {
  const auto with_header = [](std::size_t bytes) {
    return With("/spec/containers/0/livenessProbe",
                {{"httpGet",
                  {{"port", 80}, {"httpHeaders", {{{"name", "A"}, {"value", std::string(bytes, 'x')}}}}}}});
  };
  Translated(with_header(8'000));
  const auto refusal = Refused(with_header(9'000));
  EXPECT_EQ(refusal.field(), "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].value");
  EXPECT_THAT(refusal.message(), HasSubstr("9001 bytes"));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadValue,
    ::testing::Values(
        BadCase{"/spec", "7", "spec", "is 7"},
        BadCase{"/spec/containers", "[]", "spec.containers", "is required"},
        BadCase{"/spec/containers", R"("x")", "spec.containers", R"(is "x")"},
        BadCase{"/spec/containers/0/image", "null", "spec.containers[0].image", "is required"},
        BadCase{"/spec/containers/0/name", R"("../x")", "spec.containers[0].name", "../x"},
        BadCase{"/spec/containers/0/command", R"(["sh", 1])", "spec.containers[0].command", "is 1"},
        BadCase{"/spec/containers/0/imagePullPolicy", R"("Sometimes")", "spec.containers[0].imagePullPolicy",
                "Sometimes"},
        BadCase{"/spec/containers/0/resources", R"({"limits": {"cpu": "many"}})",
                "spec.containers[0].resources.limits.cpu", "many"},
        BadCase{"/spec/containers/0/resources", R"({"limits": {"memory": "-1"}})",
                "spec.containers[0].resources.limits.memory", "-1"},
        BadCase{"/spec/containers/0/ports", R"([{"containerPort": 70000}])",
                "spec.containers[0].ports[0].containerPort", "70000"},
        BadCase{"/spec/containers/0/ports", R"([{"containerPort": 1, "protocol": "HTTP"}])",
                "spec.containers[0].ports[0].protocol", "HTTP"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"httpGet": {"port": "web"}})",
                "spec.containers[0].livenessProbe.httpGet.port", "web"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"tcpSocket": {"port": 0}})",
                "spec.containers[0].livenessProbe.tcpSocket.port", "is 0"},
        BadCase{"/spec/containers/0/livenessProbe", "{}", "spec.containers[0].livenessProbe", "needs one of"},
        BadCase{"/spec/containers/0/livenessProbe", R"({"tcpSocket": {"port": 1}, "grpc": {"port": 1}})",
                "spec.containers[0].livenessProbe", "more than one"},
        BadCase{"/spec/containers/0/lifecycle", R"({"preStop": {"tcpSocket": {"port": 1}}})",
                "spec.containers[0].lifecycle.preStop.tcpSocket", "probes only"},
        BadCase{"/spec/containers/0/volumeMounts", R"([{"name": "gone", "mountPath": "/x"}])",
                "spec.containers[0].volumeMounts[0].name", "gone"},
        BadCase{"/spec/containers/0/terminationMessagePath", R"("/dev/../log")",
                "spec.containers[0].terminationMessagePath", "/dev/../log"},
        BadCase{"/spec",
                R"({"volumes": [{"name": "v"}], "containers": [
                     {"name": "c", "image": "x:1", "volumeMounts": [{"name": "v", "mountPath": "/x/.."}]}]})",
                "spec.containers[0].volumeMounts[0].mountPath", "/x/.."},
        BadCase{"/spec/initContainers", R"([{"name": "main", "image": "x:1"}])", "spec.containers[0].name",
                "used twice"},
        BadCase{"/spec/initContainers", R"([{"name": "i", "image": "x:1", "restartPolicy": "Never"}])",
                "spec.initContainers[0].restartPolicy", "Never"},
        BadCase{"/spec/restartPolicy", R"("Perhaps")", "spec.restartPolicy", "Perhaps"},
        BadCase{"/spec/dnsPolicy", R"("None")", "spec.dnsConfig.nameservers", "is required"},
        BadCase{"/spec/terminationGracePeriodSeconds", "-1", "spec.terminationGracePeriodSeconds", "-1"},
        BadCase{"/spec/volumes", R"([{"name": "v", "hostPath": {"path": "/a/../etc"}}])",
                "spec.volumes[0].hostPath.path", "/a/../etc"},
        BadCase{"/spec/volumes", R"([{"name": "v", "emptyDir": {"medium": "HugePages"}}])",
                "spec.volumes[0].emptyDir.medium", "HugePages"},
        BadCase{"/spec/volumes", R"([{"name": "v", "emptyDir": {"sizeLimit": "big"}}])",
                "spec.volumes[0].emptyDir.sizeLimit", "big"},
        BadCase{"/spec/volumes", R"([{"name": "v"}, {"name": "v"}])", "spec.volumes[1].name", "used twice"},
        BadCase{"/spec/volumes",
                R"([{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}}])",
                "spec.volumes[0].configMap.items[0].path", "../x"},
        BadCase{"/spec/volumes",
                R"([{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "/t"}}]}}])",
                "spec.volumes[0].projected.sources[0].serviceAccountToken.path", "/t"},
        BadCase{"/metadata/uid", R"("a/b")", "metadata.uid", "a/b"},
        BadCase{"/metadata/name", R"("Web")", "metadata.name", "Web"},
        BadCase{"/metadata/namespace", R"("..")", "metadata.namespace", ".."},
        BadCase{"/metadata/labels", R"({"slicelet.io/role": "boss"})", "metadata.labels[slicelet.io/role]",
                "boss"}));

TEST(Refusals, AnyTypeOfAnyMemberIsTranslatedOrRefused) {
  Json pod = FullPod();
  pod["metadata"]["uid"] = "u-1";
  pod["spec"]["tolerations"].push_back({{"key", "slicelet.io/slice-node"}});
  // As the shim has resolved it.
  v1::ContainerEnvironment environment;
  environment.set_container("a");
  const auto sound = Translate(pod, {environment});
  ASSERT_TRUE(std::holds_alternative<Translation>(sound)) << std::get<v1::Refusal>(sound).message();
  int translated = 0;
  for (const Mutation& mutation : MutationsOf(pod)) {
    for (const bool fleet : {false, true}) {
      TranslateOptions options;
      options.fleet = fleet;
      try {
        translated +=
            std::holds_alternative<Translation>(Translate(mutation.object, {environment}, options)) ? 1 : 0;
      } catch (const std::exception& error) {
        ADD_FAILURE() << mutation.what << ": " << error.what();
      }
    }
  }
  EXPECT_GT(translated, 10 * kMutationsEach);
}

TEST(Refusals, RefusesAVolumeOfAnUnknownKind) {
  const auto refusal = Refused(With("/spec/volumes", Json::parse(R"([{"name": "v", "holographic": {}}])")));
  EXPECT_EQ(refusal.field(), "spec.volumes[0].holographic");
  EXPECT_EQ(refusal.reason(), "PodFeatureUnsupported");
}

}  // namespace
}  // namespace slicelet::provider
