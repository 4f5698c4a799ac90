#include "edge-agent/pod/workload_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace slicelet::agent {
namespace {

using testing::HasSubstr;

v1::Workload Plain() {
  v1::Workload pod;
  pod.set_uid("u1");
  pod.set_namespace_("ns");
  pod.set_name("pod.of-it");
  pod.add_init_containers()->set_name("init");
  v1::Container& main = *pod.add_containers();
  main.set_name("main");
  main.set_termination_message_path("/dev/termination-log");
  v1::Mount& mount = *main.add_mounts();
  mount.set_volume("data");
  mount.set_path("/data");
  mount.set_sub_path("a/b");
  pod.add_volumes()->set_name("data");
  pod.mutable_volumes(0)->mutable_empty_dir();
  // As the hub names what it adds.
  pod.add_volumes()->set_name("bind.0");
  pod.mutable_volumes(1)->mutable_host_path()->set_path("/srv");
  auto& sources = *pod.add_volumes();
  sources.set_name("files");
  auto& content = *sources.mutable_projection()->add_sources()->mutable_content();
  content.set_content_id("configmap/c");
  content.add_items()->set_path("deep/file");
  sources.mutable_projection()->add_sources()->mutable_downward()->set_path("labels");
  sources.mutable_projection()->add_sources()->mutable_token()->set_path("token");
  return pod;
}

TEST(WorkloadCheck, TakesWhatPodsAre) { EXPECT_FALSE(CheckWorkload(Plain())); }

struct BadCase {
  const char* name;
  std::function<void(v1::Workload&)> spoil;
  const char* field;
};

class WorkloadCheckTest : public testing::TestWithParam<BadCase> {};

TEST_P(WorkloadCheckTest, RefusesWhatWouldLeadElsewhere) {
  v1::Workload pod = Plain();
  GetParam().spoil(pod);
  const auto refusal = CheckWorkload(pod);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason(), "MalformedWorkload");
  EXPECT_EQ(refusal->field(), GetParam().field);
  EXPECT_THAT(refusal->message(), HasSubstr(".."));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WorkloadCheckTest,
    testing::Values(
        BadCase{"Namespace", [](v1::Workload& pod) { pod.set_namespace_("../../srv/x"); },
                "metadata.namespace"},
        BadCase{"Name", [](v1::Workload& pod) { pod.set_name(".."); }, "metadata.name"},
        BadCase{"Container", [](v1::Workload& pod) { pod.mutable_containers(0)->set_name("../main"); },
                "spec.containers[0].name"},
        BadCase{"InitContainer", [](v1::Workload& pod) { pod.mutable_init_containers(0)->set_name(".."); },
                "spec.initContainers[0].name"},
        BadCase{"Volume", [](v1::Workload& pod) { pod.mutable_volumes(0)->set_name("../../../.."); },
                "spec.volumes[0].name"},
        BadCase{"MountPath",
                [](v1::Workload& pod) { pod.mutable_containers(0)->mutable_mounts(0)->set_path("/a/../.."); },
                "spec.containers[0].volumeMounts[0].mountPath"},
        BadCase{
            "SubPath",
            [](v1::Workload& pod) { pod.mutable_containers(0)->mutable_mounts(0)->set_sub_path("a/../.."); },
            "spec.containers[0].volumeMounts[0].subPath"},
        BadCase{"SubPathExpr",
                [](v1::Workload& pod) {
                  pod.mutable_containers(0)->mutable_mounts(0)->set_sub_path_expr("../$(A)");
                },
                "spec.containers[0].volumeMounts[0].subPathExpr"},
        BadCase{"TerminationMessagePath",
                [](v1::Workload& pod) {
                  pod.mutable_containers(0)->set_termination_message_path("/dev/../../log");
                },
                "spec.containers[0].terminationMessagePath"},
        BadCase{"ItemPath",
                [](v1::Workload& pod) {
                  auto& source = *pod.mutable_volumes(2)->mutable_projection()->mutable_sources(0);
                  source.mutable_content()->mutable_items(0)->set_path("../file");
                },
                "spec.volumes[2].sources[0].path"},
        BadCase{"DownwardPath",
                [](v1::Workload& pod) {
                  auto& source = *pod.mutable_volumes(2)->mutable_projection()->mutable_sources(1);
                  source.mutable_downward()->set_path("/etc/../labels");
                },
                "spec.volumes[2].sources[1].path"},
        BadCase{"TokenPath",
                [](v1::Workload& pod) {
                  auto& source = *pod.mutable_volumes(2)->mutable_projection()->mutable_sources(2);
                  source.mutable_token()->set_path("a/..");
                },
                "spec.volumes[2].sources[2].path"},
        BadCase{"Seccomp",
                [](v1::Workload& pod) {
                  auto& seccomp = *pod.mutable_security()->mutable_seccomp();
                  seccomp.set_profile(v1::Seccomp::LOCALHOST);
                  seccomp.set_localhost_path("../own.json");
                },
                "spec.securityContext.seccompProfile.localhostProfile"},
        BadCase{"ContainersSeccomp",
                [](v1::Workload& pod) {
                  auto& seccomp = *pod.mutable_containers(0)->mutable_security()->mutable_seccomp();
                  seccomp.set_profile(v1::Seccomp::LOCALHOST);
                  seccomp.set_localhost_path("/srv/../own.json");
                },
                "spec.containers[0].securityContext.seccompProfile.localhostProfile"}),
    [](const auto& info) { return info.param.name; });

TEST(WorkloadCheck, APathIsNotCutOffByAZeroByte) {
  v1::Workload pod = Plain();
  pod.mutable_containers(0)->mutable_mounts(0)->set_sub_path(std::string("a/..\0", 5));
  EXPECT_TRUE(CheckWorkload(pod));
}

}  // namespace
}  // namespace slicelet::agent
