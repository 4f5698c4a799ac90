#include "provider/enrol/hub_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/testing/fake_file_system.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;
using testing::Not;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);

class HubSecretTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        InitHub("/hub",
                {.name = "plant-7", .agent_endpoint = "hub.example.com:7443", .agent_listen = "0.0.0.0:7443"},
                files_, kNow)
            .ok());
  }
  FakeFileSystem files_;
};

TEST_F(HubSecretTest, HoldsWhatTheProgramsMountByteForByte) {
  const auto text = HubSecret("/hub", "plant-7-hub", "plant", files_);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto secret = nlohmann::json::parse(*text);
  EXPECT_EQ(secret["metadata"], nlohmann::json({{"name", "plant-7-hub"}, {"namespace", "plant"}}));
  EXPECT_EQ(secret["data"].size(), 8U);
  for (const auto& [file, content] : secret["data"].items()) {
    EXPECT_EQ(*Base64Decode(content.get<std::string>()), *files_.Read("/hub/" + file, 1 << 20)) << file;
  }
}

TEST_F(HubSecretTest, AHubWithABrokerBringsWhatThatNeeds) {
  ASSERT_TRUE(InitHub("/other",
                      {.name = "plant-8",
                       .agent_endpoint = "hub.example.com:7443",
                       .agent_listen = "0.0.0.0:7443",
                       .alternative_names = {"plant-8-broker.plant-8.svc"},
                       .mqtt_endpoint = "mqtt.example.com:8883",
                       .mqtt_listen = "127.0.0.1:8884"},
                      files_, kNow)
                  .ok());
  const auto secret = nlohmann::json::parse(*HubSecret("/other", "keys", "plant", files_));
  const auto content = [&](const char* file) {
    return *Base64Decode(secret["data"][file].get<std::string>());
  };
  EXPECT_EQ(content("mqtt-broker.key"), *files_.Read("/other/mosquitto/mqtt-broker.key", 1 << 20));
  EXPECT_EQ(content("envelope.cert"), *files_.Read("/other/envelope.cert", 1 << 20));
  EXPECT_THAT(content("mosquitto.conf"), HasSubstr("\nlistener 8884\n"));
  EXPECT_THAT(content("mosquitto.conf"), HasSubstr("\nkeyfile /etc/slicelet/broker/mqtt-broker.key\n"));
  EXPECT_EQ(content("revoked.crl"), *files_.Read("/other/mosquitto/revoked.crl", 1 << 20));
  EXPECT_THAT(content("mosquitto.conf"), HasSubstr("\ncrlfile /etc/slicelet/broker/revoked.crl\n"));
  EXPECT_THAT(content("mosquitto.conf"), HasSubstr("\nacl_file /etc/slicelet/broker/mosquitto.acl\n"));
  EXPECT_THAT(content("mosquitto.conf"), Not(HasSubstr("/other")));
}

TEST_F(HubSecretTest, KeepsTheAuthorityAndTheRootAtHome) {
  const auto secret = nlohmann::json::parse(*HubSecret("/hub", "keys", "plant", files_));
  for (const char* file : {"ca.key", "root.key", "operator.key"}) {
    EXPECT_FALSE(secret["data"].contains(file)) << file;
  }
}

TEST_F(HubSecretTest, SaysWhatIsWrong) {
  EXPECT_THAT(HubSecret("/none", "keys", "plant", files_).status().message(),
              HasSubstr("/none holds no hub"));
  EXPECT_THAT(HubSecret("/hub", "Keys", "plant", files_).status().message(), HasSubstr("\"Keys\""));
  EXPECT_THAT(HubSecret("/hub", "keys", "a.b", files_).status().message(), HasSubstr("\"a.b\""));
}

}  // namespace
}  // namespace slicelet::provider
