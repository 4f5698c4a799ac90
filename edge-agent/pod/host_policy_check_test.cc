#include "edge-agent/pod/host_policy_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/base/testing/fake_file_system.h"

namespace slicelet::agent {
namespace {

using testing::HasSubstr;

constexpr char kFirst[] = "spec.containers[0].";

/// A way out of a container, and what allows it.
struct WayOut {
  const char* name;
  std::function<void(v1::Workload&)> take;
  std::string field;
  /// The policy's key, as the refusal names it.
  const char* rule;
  std::function<void(HostPolicy&)> allow;
};

void Privileged(HostPolicy& policy) { policy.privileged = true; }

v1::ContainerSecurity& SecurityOf(v1::Workload& pod) {
  return *pod.mutable_containers(0)->mutable_security();
}

std::function<void(v1::Workload&)> Add(const std::string& capability) {
  return [capability](v1::Workload& pod) { SecurityOf(pod).add_add_capabilities(capability); };
}

std::function<void(HostPolicy&)> Allow(const std::string& capability) {
  return [capability](HostPolicy& policy) { policy.capabilities.insert(capability); };
}

std::function<void(v1::Workload&)> Sysctl(const std::string& name) {
  return [name](v1::Workload& pod) { (*pod.mutable_security()->mutable_sysctls())[name] = "1"; };
}

class HostPolicyTest : public testing::TestWithParam<WayOut> {
 protected:
  HostPolicyTest() { pod_.add_containers()->set_name("main"); }

  std::optional<v1::Refusal> Check() { return CheckHostPolicy(policy_, pod_, files_); }

  v1::Workload pod_;
  HostPolicy policy_;
  FakeFileSystem files_;
};

TEST_P(HostPolicyTest, AWayOutIsDeniedUntilTheOwnerAllowsIt) {
  GetParam().take(pod_);
  const auto refusal = Check();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason(), "HostPolicyDenied");
  EXPECT_EQ(refusal->field(), GetParam().field);
  EXPECT_THAT(refusal->message(), HasSubstr("rule \"" + std::string(GetParam().rule) + "\""));
  GetParam().allow(policy_);
  EXPECT_FALSE(Check());
}

TEST_P(HostPolicyTest, AnInitContainersWayOutIsDeniedToo) {
  GetParam().take(pod_);
  pod_.mutable_init_containers()->Swap(pod_.mutable_containers());
  const auto refusal = Check();
  ASSERT_TRUE(refusal);
  std::string field = GetParam().field;
  if (field.starts_with(kFirst)) field = "spec.initContainers[0]." + field.substr(sizeof(kFirst) - 1);
  EXPECT_EQ(refusal->field(), field);
}

constexpr char kAdd[] = "spec.containers[0].securityContext.capabilities.add";

INSTANTIATE_TEST_SUITE_P(
    Ways, HostPolicyTest,
    testing::Values(WayOut{"HostPid", [](v1::Workload& pod) { pod.set_host_pid(true); }, "spec.hostPID",
                           "hostPid", [](HostPolicy& policy) { policy.host_pid = true; }},
                    WayOut{"HostIpc", [](v1::Workload& pod) { pod.set_host_ipc(true); }, "spec.hostIPC",
                           "hostIpc", [](HostPolicy& policy) { policy.host_ipc = true; }},
                    WayOut{"Privileged", [](v1::Workload& pod) { SecurityOf(pod).set_privileged(true); },
                           std::string(kFirst) + "securityContext.privileged", "privileged", Privileged},
                    WayOut{"SysModule", Add("SYS_MODULE"), kAdd, "capabilities", Allow("SYS_MODULE")},
                    WayOut{"WithItsPrefix", Add("CAP_SYS_ADMIN"), kAdd, "capabilities", Allow("SYS_ADMIN")},
                    WayOut{"InSmallLetters", Add("sys_admin"), kAdd, "capabilities", Allow("SYS_ADMIN")},
                    WayOut{"All", Add("ALL"), kAdd, "capabilities", Allow("ALL")},
                    WayOut{"AllInSmallLetters", Add("all"), kAdd, "capabilities", Allow("ALL")},
                    WayOut{"OneOfAll", Add("NET_ADMIN"), kAdd, "capabilities", Allow("ALL")},
                    WayOut{"OneOfAPrivilegedHost", Add("ALL"), kAdd, "capabilities", Privileged},
                    WayOut{"Unconfined",
                           [](v1::Workload& pod) {
                             SecurityOf(pod).mutable_seccomp()->set_profile(v1::Seccomp::UNCONFINED);
                           },
                           std::string(kFirst) + "securityContext.seccompProfile", "unconfined",
                           [](HostPolicy& policy) { policy.unconfined = true; }},
                    WayOut{"UnconfinedPod",
                           [](v1::Workload& pod) {
                             pod.mutable_security()->mutable_seccomp()->set_profile(v1::Seccomp::UNCONFINED);
                           },
                           "spec.securityContext.seccompProfile", "unconfined",
                           [](HostPolicy& policy) { policy.unconfined = true; }},
                    WayOut{"UnconfinedOnAPrivilegedHost",
                           [](v1::Workload& pod) {
                             SecurityOf(pod).mutable_seccomp()->set_profile(v1::Seccomp::UNCONFINED);
                           },
                           std::string(kFirst) + "securityContext.seccompProfile", "unconfined", Privileged},
                    WayOut{
                        "Propagation",
                        [](v1::Workload& pod) {
                          pod.mutable_containers(0)->add_mounts()->set_propagation(v1::Mount::BIDIRECTIONAL);
                        },
                        std::string(kFirst) + "volumeMounts[0].mountPropagation", "privileged", Privileged},
                    WayOut{"Sysctl", Sysctl("kernel.core_pattern"), "spec.securityContext.sysctls",
                           "privileged", Privileged},
                    WayOut{"SysctlOfTheHostsNetwork",
                           [](v1::Workload& pod) {
                             pod.set_host_network(true);
                             Sysctl("net.ipv4.ip_forward")(pod);
                           },
                           "spec.securityContext.sysctls", "privileged", Privileged},
                    WayOut{"SysctlThatClimbs", Sysctl("net/../kernel/core_pattern"),
                           "spec.securityContext.sysctls", "privileged", Privileged}),
    [](const auto& info) { return info.param.name; });

using OwnPolicyTest = HostPolicyTest;

TEST_F(OwnPolicyTest, WhatEveryContainerHasMayBeAdded) {
  for (const char* name :
       {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "CAP_NET_BIND_SERVICE"}) {
    SecurityOf(pod_).add_add_capabilities(name);
  }
  SecurityOf(pod_).add_drop_capabilities("ALL");
  EXPECT_FALSE(Check());
  // An owner's list is about others.
  policy_.capabilities = {"NET_ADMIN"};
  EXPECT_FALSE(Check());
}

TEST_F(OwnPolicyTest, OneCapabilityAllowsNoOther) {
  policy_.capabilities = {"NET_ADMIN"};
  SecurityOf(pod_).add_add_capabilities("NET_ADMIN");
  SecurityOf(pod_).add_add_capabilities("SYS_ADMIN");
  const auto refusal = Check();
  ASSERT_TRUE(refusal);
  EXPECT_THAT(refusal->message(), HasSubstr("capability SYS_ADMIN"));
  SecurityOf(pod_).set_add_capabilities(1, "ALL");
  EXPECT_TRUE(Check());
}

TEST_F(OwnPolicyTest, TheHostsNetworkIsThePodsUntilTheOwnerDeniesIt) {
  pod_.set_host_network(true);
  EXPECT_FALSE(Check());
  policy_.host_network = false;
  EXPECT_EQ(Check().value().field(), "spec.hostNetwork");
  pod_.set_host_network(false);
  pod_.mutable_containers(0)->add_ports()->set_container_port(22);
  pod_.mutable_containers(0)->add_ports()->set_host_port(22);
  EXPECT_FALSE(Check());
  policy_.host_ports = false;
  EXPECT_EQ(Check().value().field(), "spec.containers[0].ports[1].hostPort");
  // Privileged is no permission for the network.
  policy_.privileged = true;
  EXPECT_TRUE(Check());
}

TEST_F(OwnPolicyTest, APodsOwnKernelParametersAreItsOwn) {
  for (const char* name : {"net.core.somaxconn", "net/ipv4/tcp_syncookies", "kernel.shmmax", "kernel.sem",
                           "fs.mqueue.msg_max"}) {
    Sysctl(name)(pod_);
  }
  EXPECT_FALSE(Check());
  // With the host's IPC namespace they are the host's.
  policy_.host_ipc = true;
  pod_.set_host_ipc(true);
  EXPECT_EQ(Check().value().field(), "spec.securityContext.sysctls");
}

class HostPathPolicyTest : public OwnPolicyTest {
 protected:
  HostPathPolicyTest() {
    policy_.host_path_prefixes = {"/data"};
    EXPECT_TRUE(files_.MakeDirectories("/data/usb", 0755).ok());
    auto& volume = *pod_.add_volumes();
    volume.set_name("usb");
    volume.mutable_host_path()->set_path("/data/usb/log");
  }
  void Fail(const std::string& path, const absl::Status& error) { files_.set_stat_error(path, error); }
  void LeadOut() { files_.Put("/data/usb/log", {.kind = FileSystem::Kind::kSymlink, .data = "/etc"}); }

  const absl::Status kDead = absl::InternalError("cannot look at /data/usb: Input/output error");
};

TEST_F(HostPathPolicyTest, ADiskThatDoesNotAnswerIsNoDenial) {
  EXPECT_FALSE(Check());
  for (const char* path : {"/data/usb", "/data"}) {
    Fail(path, kDead);
    EXPECT_FALSE(Check()) << path;
  }
  // Once it answers it is judged.
  LeadOut();
  EXPECT_FALSE(Check());
  Fail("", absl::OkStatus());
  ASSERT_TRUE(Check());
  EXPECT_THAT(Check()->message(), HasSubstr("(through links /etc)"));
}

TEST_F(HostPathPolicyTest, WhatIsNowhereAllowedIsDeniedWithoutAskingADisk) {
  Fail("/data", kDead);
  pod_.mutable_volumes(0)->mutable_host_path()->set_path("/etc");
  EXPECT_TRUE(Check());
  Fail("/etc", kDead);
  EXPECT_TRUE(Check());
  pod_.mutable_volumes(0)->mutable_host_path()->set_path("/data/../etc");
  EXPECT_TRUE(Check());
}

TEST_F(HostPathPolicyTest, APrefixThatDoesNotAnswerIsNoDenialAndAllowsNothingElse) {
  policy_.host_path_prefixes = {"/data/usb", "/data"};
  ASSERT_TRUE(files_.RemoveAll("/data/usb").ok());
  files_.Put("/data/usb", {.kind = FileSystem::Kind::kSymlink, .data = "/mnt"});
  Fail("/mnt", kDead);
  EXPECT_FALSE(Check());
  Fail("", absl::OkStatus());
  EXPECT_FALSE(Check()) << "the owner's own link";
  policy_.host_path_prefixes = {"/data"};
  EXPECT_TRUE(Check());
}

TEST_F(HostPathPolicyTest, WhatMayNotBeLookedAtIsDenied) {
  Fail("/data/usb", absl::PermissionDeniedError("cannot look at /data/usb: Permission denied"));
  EXPECT_TRUE(Check());
  Fail("", absl::OkStatus());
  files_.Put("/data/usb/log", {.kind = FileSystem::Kind::kSymlink, .data = "log"});
  EXPECT_TRUE(Check()) << "a circle of links";
}

TEST_F(OwnPolicyTest, AProfileOfTheRuntimesOrTheOwnersIsNoWayOut) {
  SecurityOf(pod_).mutable_seccomp()->set_profile(v1::Seccomp::LOCALHOST);
  pod_.mutable_security()->mutable_seccomp()->set_profile(v1::Seccomp::RUNTIME_DEFAULT);
  EXPECT_FALSE(Check());
}

}  // namespace
}  // namespace slicelet::agent
