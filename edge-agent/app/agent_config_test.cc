#include "edge-agent/app/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/testing/temporary_directory.h"

namespace slicelet::agent {
namespace {

using testing::HasSubstr;

class AgentConfigTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = directory_.File("file.json");
    std::ofstream(path, std::ios::trunc) << text;
    return path;
  }

  TemporaryDirectory directory_;
};

TEST_F(AgentConfigTest, IsSafeByDefault) {
  const auto config = ReadAgentConfig(directory_.File("absent.json"), true);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->policy.privileged);
  EXPECT_FALSE(config->policy.host_pid);
  EXPECT_FALSE(config->policy.unconfined);
  EXPECT_TRUE(config->policy.capabilities.empty());
  EXPECT_TRUE(config->policy.host_path_prefixes.empty());
  EXPECT_FALSE(ReadAgentConfig(directory_.File("absent.json"), false).ok());
}

TEST_F(AgentConfigTest, ReadsWhatTheOwnerDecides) {
  const auto config = ReadAgentConfig(
      Write(R"({"runtimeSocket": "/run/c.sock", "tags": {"site": "north"}, "logLevel": "warning",
                "policy": {"privileged": true, "hostPathPrefixes": ["/srv"], "unconfined": true,
                           "hostPorts": false, "capabilities": ["CAP_NET_ADMIN", "SYS_TIME", "ALL"]}})"),
      false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->runtime_socket, "/run/c.sock");
  EXPECT_EQ(config->tags.at("site"), "north");
  EXPECT_TRUE(config->policy.privileged);
  EXPECT_TRUE(config->policy.unconfined);
  EXPECT_FALSE(config->policy.host_ports);
  EXPECT_EQ(config->policy.capabilities, (std::set<std::string>{"NET_ADMIN", "SYS_TIME", "ALL"}));
  EXPECT_EQ(config->policy.host_path_prefixes, std::vector<std::string>{"/srv"});
}

TEST_F(AgentConfigTest, TheOwnerChoosesTheLink) {
  auto config = ReadAgentConfig(Write("{}"), false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link.kind, LinkConfig::Kind::kGrpc);
  EXPECT_FALSE(config->link.log_tails) << "the hub does as it does by itself";
  EXPECT_EQ(config->link.readings, std::chrono::minutes(1));
  // Of /usr/bin/slicelet-agent that is /usr/lib/slicelet/slicelet-mqtt.so.
  const auto bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  EXPECT_EQ(config->link.module, bin.parent_path() / "lib" / "slicelet" / "slicelet-mqtt.so");
  config = ReadAgentConfig(
      Write(R"({"link": {"kind": "mqtt", "module": "/opt/m.so", "keepalive": "4m", "tunnels": false}})"),
      false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link.kind, LinkConfig::Kind::kMqtt);
  EXPECT_EQ(config->link.module, "/opt/m.so");
  EXPECT_EQ(config->link.keepalive, std::chrono::minutes(4));
  EXPECT_FALSE(config->link.tunnels);
  config = ReadAgentConfig(Write(R"({"link": {"profile": "low-data"}})"), false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link.keepalive, std::chrono::minutes(15));
  EXPECT_EQ(config->link.readings, std::chrono::minutes(15));
  EXPECT_FALSE(config->link.log_tails.value().at_exit());
  config = ReadAgentConfig(Write(R"({"link": {"profile": "low-data", "logTail": "12h"}})"), false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link.log_tails.value().every_ms(), 43'200'000);
  config = ReadAgentConfig(Write(R"({"link": {"logTail": "often"}})"), false);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("link.logTail: is \"often\", should be off"));
  config = ReadAgentConfig(Write(R"({"link": {"profile": "low-data", "readings": "6h"}})"), false);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->link.readings, std::chrono::hours(6));
  config = ReadAgentConfig(
      Write(R"({"link": {"kind": "smoke", "module": "m.so", "keepalive": "1s", "readings": "59s"}})"), false);
  for (const auto* part :
       {"link.kind", "\"smoke\"", "link.module", "link.keepalive", "link.readings: is not between 1m"}) {
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(part));
  }
}

TEST_F(AgentConfigTest, NamesEveryBadFieldAndItsValue) {
  const auto config = ReadAgentConfig(
      Write(R"({"root": "var", "logLevel": "loud", "polizy": {}, "maxPods": 0, "imageGcLowPercent": 90,
                                                "policy": {"hostPathPrefixes": ["srv"], "capabilities": ["NETADMIN"]}})"),
      false);
  const std::string message(config.status().message());
  for (const auto* part :
       {"file.json", "root", "\"var\"", "\"loud\"", "polizy", "maxPods", "imageGcLowPercent",
        "hostPathPrefixes", "\"srv\"", "policy.capabilities: \"NETADMIN\""}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST_F(AgentConfigTest, TheAddressIsAnIpAddress) {
  for (const char* address : {"10.0.0.9", "fd00::9", ""}) {
    EXPECT_TRUE(ReadAgentConfig(Write(std::string(R"({"address": ")") + address + "\"}"), false).ok())
        << address;
  }
  const auto config = ReadAgentConfig(Write(R"({"address": "gw-1.lan"})"), false);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("address: \"gw-1.lan\" is no IP address"));
}

TEST_F(AgentConfigTest, ReadsCredentials) {
  const std::string rest = R"("host": "gw-1", "endpoint": "h:1", "ca": "CA", "certificate": "C", "key": "K",
                              "sealingKey": "S", "rootKey": ")";
  const auto good = ReadHostCredentials(Write("{\"hub\": \"hub\", " + rest + std::string(64, 'a') + "\"}"));
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->root_key, std::string(32, '\xaa'));
  const auto bad = ReadHostCredentials(Write("{" + rest + "xyz\"}"));
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("rootKey"));
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("hub"));
  EXPECT_THAT(std::string(bad.status().message()), testing::Not(HasSubstr("xyz")));
}

TEST_F(AgentConfigTest, NamesCredentialsThatItDoesNotKnow) {
  const std::string known =
      R"({"hub": "hub", "host": "gw-1", "endpoint": "h:1", "ca": "CA", "certificate": "C",
                                "key": "K", "sealingKey": "S", "rootKey": ")" +
      std::string(64, 'a') + "\"";
  ASSERT_TRUE(ReadHostCredentials(Write(known + R"(, "mqtt": {"endpoint": "h:2"}})")).ok());
  auto host = ReadHostCredentials(Write(known + R"(, "colour": "blue"})"));
  EXPECT_THAT(std::string(host.status().message()), HasSubstr("file.json: unknown field colour"));
  EXPECT_THAT(std::string(host.status().message()), testing::Not(HasSubstr("blue")))
      << "what is in this file is secret";
  host = ReadHostCredentials(Write(known + R"(, "mqtt": {"endpoint": "h:2", "colour": "blue"}})"));
  EXPECT_THAT(std::string(host.status().message()), HasSubstr("unknown field mqtt.colour"));
}

}  // namespace
}  // namespace slicelet::agent
