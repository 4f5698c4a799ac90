#include "provider/enrol/hub_revocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_file_system.h"
#include "common/tls/revocation.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);
constexpr std::uint64_t kLimit = 1 << 20;

class HubRevocationTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(InitHub("/hub",
                        {.name = "plant-7",
                         .agent_endpoint = "hub.example.com:7443",
                         .agent_listen = "0.0.0.0:7443",
                         .mqtt_endpoint = "mqtt.example.com:8883",
                         .mqtt_listen = "0.0.0.0:8883"},
                        files_, kNow)
                    .ok());
  }
  /// The certificate that the host is given.
  std::string Add(const std::string& host) {
    const auto made = AddHost("/hub", host, "slicelet", files_, kNow);
    EXPECT_TRUE(made.ok()) << made.status();
    return nlohmann::json::parse(*files_.Read(made->credentials_path, kLimit))["certificate"];
  }
  bool IsListed(const std::string& certificate) {
    return IsRevoked(*files_.Read("/hub/mosquitto/revoked.crl", kLimit), certificate).value();
  }

  FakeFileSystem files_;
};

TEST_F(HubRevocationTest, ANewHubsBrokerRefusesNobody) {
  EXPECT_FALSE(IsListed(Add("gw-1")));
  EXPECT_THAT(*files_.Read("/hub/mosquitto/mosquitto.conf", kLimit),
              HasSubstr("\ncrlfile /hub/mosquitto/revoked.crl\n"));
}

TEST_F(HubRevocationTest, ItsCertificateIsOnTheListAndNobodyElses) {
  const std::string one = Add("gw-1");
  const std::string two = Add("gw-2");
  const std::string three = Add("gw-3");
  for (const char* host : {"gw-1", "gw-3", "gw-1"}) {
    const auto revoked = RevokeHost("/hub", host, files_, kNow);
    ASSERT_TRUE(revoked.ok()) << revoked.status();
    EXPECT_EQ(revoked->list_path, "/hub/mosquitto/revoked.crl");
    EXPECT_EQ(revoked->certificates, 1);
    EXPECT_EQ(revoked->missing_line, "");
  }
  EXPECT_TRUE(IsListed(one));
  EXPECT_FALSE(IsListed(two));
  EXPECT_TRUE(IsListed(three));
  EXPECT_FALSE(IsListed(*files_.Read("/hub/mqtt.crt", kLimit)));
}

TEST_F(HubRevocationTest, AHostThatIsAddedAgainCountsByItsNewCertificateOnly) {
  const std::string lost = Add("gw-1");
  // As the documents say: keys do not stay where they are not needed.
  ASSERT_TRUE(files_.RemoveAll("/hub/hosts/gw-1.slicelet").ok());
  ASSERT_TRUE(RevokeHost("/hub", "gw-1", files_, kNow).ok());
  const std::string young = Add("gw-1");
  EXPECT_TRUE(IsListed(lost));
  EXPECT_FALSE(IsListed(young));
  const auto both = RevokeHost("/hub", "gw-1", files_, kNow);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->certificates, 2);
  EXPECT_TRUE(IsListed(young));
}

TEST_F(HubRevocationTest, AHubThatIsOlderThanListsGetsOne) {
  const std::string one = Add("gw-1");
  ASSERT_TRUE(files_.RemoveAll("/hub/hosts/gw-1.crt").ok());
  ASSERT_TRUE(files_.RemoveAll("/hub/mosquitto/revoked.crl").ok());
  ASSERT_TRUE(files_.WriteAtomically("/hub/mosquitto/mosquitto.conf", "listener 8883\n", 0644).ok());
  const auto revoked = RevokeHost("/hub", "gw-1", files_, kNow);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->missing_line, "crlfile /hub/mosquitto/revoked.crl");
  EXPECT_TRUE(IsListed(one));
}

TEST_F(HubRevocationTest, SaysWhatIsWrong) {
  const auto why = [&](const std::string& directory, const std::string& host) {
    return Message(RevokeHost(directory, host, files_, kNow).status());
  };
  EXPECT_THAT(why("/none", "gw-1"), HasSubstr("/none holds no hub"));
  EXPECT_THAT(why("/hub", "gw-1"), HasSubstr("/hub/hosts/gw-1.crt"));
  EXPECT_THAT(why("/hub", "../ca"), HasSubstr("../ca"));
  ASSERT_TRUE(InitHub("/plain",
                      {.name = "plant-8", .agent_endpoint = "h:7443", .agent_listen = "0.0.0.0:7443"}, files_,
                      kNow)
                  .ok());
  EXPECT_THAT(why("/plain", "gw-1"), HasSubstr("no MQTT broker"));
  // A list that can not be read is not replaced by one that forgets who was revoked.
  Add("gw-1");
  ASSERT_TRUE(files_.WriteAtomically("/hub/mosquitto/revoked.crl", "half", 0644).ok());
  EXPECT_THAT(why("/hub", "gw-1"), HasSubstr("/hub/mosquitto/revoked.crl"));
  EXPECT_EQ(*files_.Read("/hub/mosquitto/revoked.crl", kLimit), "half");
}

}  // namespace
}  // namespace slicelet::provider
