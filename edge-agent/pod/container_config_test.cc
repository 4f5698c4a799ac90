#include "edge-agent/pod/container_config.h"

#include <gtest/gtest.h>

namespace slicelet::agent {
namespace {

class ContainerConfigTest : public testing::Test {
 protected:
  ContainerConfigTest() {
    options_.root = "/agent";
    pod_.add_containers()->set_name("main");
  }

  std::string Seccomp() {
    const auto config = MakeContainerConfig(options_, pod_, pod_.containers(0), {});
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? config->seccomp : "";
  }
  v1::Seccomp& Own() { return *pod_.mutable_containers(0)->mutable_security()->mutable_seccomp(); }

  PodSupervisor::Options options_;
  v1::Workload pod_;
};

TEST_F(ContainerConfigTest, APodThatSaysNothingGetsTheRuntimesSeccompProfile) {
  EXPECT_EQ(Seccomp(), "runtime/default");
  pod_.mutable_security()->mutable_seccomp()->set_profile(v1::Seccomp::RUNTIME_DEFAULT);
  EXPECT_EQ(Seccomp(), "runtime/default");
}

TEST_F(ContainerConfigTest, AContainersSeccompProfileReplacesThePods) {
  pod_.mutable_security()->mutable_seccomp()->set_profile(v1::Seccomp::UNCONFINED);
  EXPECT_EQ(Seccomp(), "unconfined");
  Own().set_profile(v1::Seccomp::RUNTIME_DEFAULT);
  EXPECT_EQ(Seccomp(), "runtime/default");
}

TEST_F(ContainerConfigTest, ALocalhostProfileIsAFileOfTheHostsOwner) {
  Own().set_profile(v1::Seccomp::LOCALHOST);
  Own().set_localhost_path("modbus/own.json");
  EXPECT_EQ(Seccomp(), "localhost//agent/seccomp/modbus/own.json");
}

}  // namespace
}  // namespace slicelet::agent
