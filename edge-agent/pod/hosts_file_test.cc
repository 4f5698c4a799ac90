// What containers find in /etc/hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kHosts[] = "/agent/pods/u1/run/etc-hosts";

class HostsFileTest : public testing::Test {
 protected:
  static void SetAlias(v1::Workload& pod, const std::string& ip, const std::vector<std::string>& names) {
    pod.clear_host_aliases();
    v1::HostAlias& alias = *pod.add_host_aliases();
    alias.set_ip(ip);
    for (const std::string& name : names) alias.add_hostnames(name);
  }
  std::string Hosts() { return host_.files.Read(kHosts, 10'000).value_or(""); }
  /// The file of this machine that a container of the pod has as its /etc/hosts.
  std::string Mounted() {
    for (const auto& [id, state] : host_.runtime_host.containers()) {
      for (const auto& mount : state.config.mounts) {
        if (mount.container_path == "/etc/hosts") return mount.host_path;
      }
    }
    return "";
  }
  PodHost host_;
};

TEST_F(HostsFileTest, AnotherAddressRestartsNothingAndIsThereAtTheNextStart) {
  v1::Workload pod = host_.Pod("u1");
  SetAlias(pod, "10.0.0.7", {"iot", "iot.north"});
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_EQ(Mounted(), kHosts);
  EXPECT_THAT(Hosts(), StartsWith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
  EXPECT_THAT(Hosts(), EndsWith("\tpod-u1\n\n# Entries added by HostAliases.\n10.0.0.7\tiot\tiot.north\n"));

  SetAlias(pod, "10.0.0.8", {"iot", "iot.north"});
  host_.Apply({pod});
  host_.loop.Advance(seconds(30));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
  EXPECT_TRUE(host_.IsReady("u1"));

  pod.mutable_containers(0)->set_image("app:2");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil(
      [&] { return host_.runtime_host.StartCount("u1", "main") == 2 && host_.IsReady("u1"); }));
  EXPECT_THAT(Hosts(), EndsWith("\n10.0.0.8\tiot\tiot.north\n"));
  EXPECT_THAT(Hosts(), Not(HasSubstr("10.0.0.7")));
}

TEST_F(HostsFileTest, WhatChangesWhileTheAgentIsAwayIsThereAtTheNextStart) {
  v1::Workload pod = host_.Pod("u1");
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_THAT(Hosts(), Not(HasSubstr("HostAliases")));
  SetAlias(pod, "10.0.0.7", {"iot"});
  host_.Apply({pod});
  host_.Kill();
  host_.StartAgent();
  host_.Apply({pod});
  host_.loop.Advance(seconds(30));
  EXPECT_EQ(host_.runtime_host.starts().size(), 1U);
  host_.Reboot();
  host_.StartAgent();
  ASSERT_TRUE(host_.RunUntil([&] { return host_.runtime_host.StartCount("u1", "main") == 2; }));
  EXPECT_THAT(Hosts(), EndsWith("\n10.0.0.7\tiot\n"));
}

TEST_F(HostsFileTest, APodInTheHostsNetworkHasTheHostsOwnBeforeItsNames) {
  ASSERT_TRUE(host_.files.MakeDirectories("/etc", 0755).ok());
  ASSERT_TRUE(host_.files.WriteAtomically("/etc/hosts", "127.0.0.1 localhost gw-1\n", 0644).ok());
  v1::Workload pod = host_.Pod("u1");
  pod.set_host_network(true);
  SetAlias(pod, "10.0.0.7", {"iot"});
  host_.Apply({pod});
  ASSERT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
  EXPECT_EQ(Mounted(), kHosts);
  EXPECT_EQ(Hosts(),
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost gw-1\n\n"
            "# Entries added by HostAliases.\n10.0.0.7\tiot\n");
}

}  // namespace
}  // namespace slicelet::agent
