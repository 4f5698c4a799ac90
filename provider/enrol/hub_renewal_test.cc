#include "provider/enrol/hub_renewal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_file_system.h"
#include "common/tls/pki.h"
#include "common/tls/revocation.h"
#include "provider/enrol/authority.h"
#include "provider/enrol/hub_directory.h"
#include "provider/enrol/hub_revocation.h"

namespace slicelet::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);
/// When what was issued at kNow has ended.
const WallTime kLater = kNow + std::chrono::hours(24 * 900);
constexpr std::uint64_t kLimit = 1 << 20;

class HubRenewalTest : public testing::Test {
 protected:
  void SetUp() override { Init("/hub", "plant-7"); }

  void Init(const std::string& directory, const std::string& name) {
    ASSERT_TRUE(InitHub(directory,
                        {.name = name,
                         .agent_endpoint = "hub.example.com:7443",
                         .agent_listen = "0.0.0.0:7443",
                         .alternative_names = {"provider.plant.svc"},
                         .mqtt_endpoint = "mqtt.example.com:8883",
                         .mqtt_listen = "0.0.0.0:8883"},
                        files_, kNow)
                    .ok());
  }
  std::string Read(const std::string& path) { return files_.Read(path, kLimit).value_or(""); }
  nlohmann::json Credentials(const std::string& host) {
    return nlohmann::json::parse(Read("/hub/hosts/" + host + ".slicelet"));
  }
  void Add(const std::string& host, WallTime now = kNow) {
    ASSERT_TRUE(AddHost("/hub", host, "slicelet", files_, now).ok());
  }
  void Replace(const std::string& path, const std::string& text) {
    ASSERT_TRUE(files_.WriteAtomically(path, text, 0644).ok());
  }
  std::string WhyNotHub(WallTime now = kLater) { return Message(RenewHub("/hub", files_, now).status()); }
  std::string WhyNotHost(const std::string& host, WallTime now = kLater) {
    return Message(RenewHost("/hub", host, files_, now).status());
  }
  /// Every pair fits, and counts at `now`.
  void ExpectPairs(WallTime now) {
    for (const char* pair : {"provider", "shim", "operator", "mqtt", "mosquitto/mqtt-broker"}) {
      const std::string path = std::string("/hub/") + pair;
      EXPECT_TRUE(VerifyCertificate(Read(path + ".crt"), Read("/hub/ca.crt"), now).ok()) << pair;
      EXPECT_TRUE(CheckKeyOfCertificate(Read(path + ".crt"), Read(path + ".key")).ok()) << pair;
    }
  }

  FakeFileSystem files_;
};

TEST_F(HubRenewalTest, EveryCertificateOfTheHubCountsAgainForTheSameKeys) {
  const std::string key = Read("/hub/provider.key");
  EXPECT_FALSE(VerifyCertificate(Read("/hub/provider.crt"), Read("/hub/ca.crt"), kLater).ok());
  const auto renewed = RenewHub("/hub", files_, kLater);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_THAT(renewed->renewed, ElementsAre("provider.crt", "shim.crt", "operator.crt", "mqtt.crt",
                                            "mosquitto/mqtt-broker.crt"));
  EXPECT_THAT(renewed->missing, IsEmpty());
  EXPECT_EQ(renewed->not_after, kLater + kCertificateValidity);
  EXPECT_FALSE(renewed->until_authority_ends);
  ExpectPairs(kLater + kCertificateValidity - std::chrono::hours(1));
  EXPECT_EQ(Read("/hub/provider.key"), key);
  EXPECT_EQ(ReadCertificate(Read("/hub/shim.crt"))->organizations,
            std::vector<std::string>{"slicelet:shims"});
  EXPECT_EQ(ReadCertificate(Read("/hub/operator.crt"))->common_name, "operator");
  // Once more does the same once more.
  ASSERT_TRUE(RenewHub("/hub", files_, kLater).ok());
  ExpectPairs(kLater);
}

TEST_F(HubRenewalTest, WhatWasMovedAwayIsToldAndTheRestRenewed) {
  ASSERT_TRUE(files_.RemoveAll("/hub/mosquitto").ok());
  // Its key is where it is used; the certificate needs no key to be renewed.
  ASSERT_TRUE(files_.RemoveAll("/hub/shim.key").ok());
  const auto renewed = RenewHub("/hub", files_, kLater);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_THAT(renewed->renewed, ElementsAre("provider.crt", "shim.crt", "operator.crt", "mqtt.crt"));
  EXPECT_THAT(renewed->missing, ElementsAre("mosquitto/mqtt-broker.crt"));
}

TEST_F(HubRenewalTest, AFullDiskLeavesPairsThatWorkAndTheNextRunDoesTheRest) {
  const WallTime before_the_end = kNow + kCertificateValidity - std::chrono::hours(24);
  files_.set_disk_full_below("/hub/mosquitto");
  EXPECT_THAT(WhyNotHub(before_the_end), HasSubstr("/hub/mosquitto/mqtt-broker.crt"));
  // Those before it are new, this one is the former; each fits its key.
  ExpectPairs(before_the_end);
  EXPECT_TRUE(VerifyCertificate(Read("/hub/mqtt.crt"), Read("/hub/ca.crt"), kLater).ok());
  files_.set_disk_full(false);
  ASSERT_TRUE(RenewHub("/hub", files_, before_the_end).ok());
  ExpectPairs(kLater);
}

TEST_F(HubRenewalTest, NothingIsRenewedWithoutTheAuthoritysOwnKey) {
  const std::string before = Read("/hub/provider.crt");
  const std::string key = Read("/hub/ca.key");
  Init("/other", "plant-8");
  Replace("/hub/ca.key", Read("/other/ca.key"));
  EXPECT_THAT(WhyNotHub(), HasSubstr("/hub/ca.key is not the key of /hub/ca.crt"));
  ASSERT_TRUE(files_.RemoveAll("/hub/ca.key").ok());
  EXPECT_THAT(WhyNotHub(), HasSubstr("/hub/ca.key is not here"));
  EXPECT_THAT(Message(AddHost("/hub", "gw-1", "slicelet", files_, kNow).status()),
              HasSubstr("/hub/ca.key is not here"));
  Replace("/hub/ca.key", key);
  EXPECT_THAT(WhyNotHub(FromUnixNanos(0)), HasSubstr("set the clock"));
  EXPECT_THAT(WhyNotHub(kNow + std::chrono::hours(24 * 3651)), HasSubstr("/hub/ca.crt has ended at"));
  EXPECT_EQ(Read("/hub/provider.crt"), before);
  EXPECT_THAT(Message(RenewHub("/none", files_, kNow).status()), HasSubstr("/none holds no hub"));
}

TEST_F(HubRenewalTest, NothingIsRenewedWhileAFileIsForeign) {
  Init("/other", "plant-8");
  const std::string before = Read("/hub/provider.crt");
  const std::string own = Read("/hub/mosquitto/mqtt-broker.crt");
  Replace("/hub/mosquitto/mqtt-broker.crt", Read("/other/mosquitto/mqtt-broker.crt"));
  EXPECT_THAT(WhyNotHub(), HasSubstr("/hub/mosquitto/mqtt-broker.crt is not this hub's"));
  Replace("/hub/mosquitto/mqtt-broker.crt", Read("/hub/ca.crt"));
  EXPECT_THAT(WhyNotHub(), HasSubstr("/hub/mosquitto/mqtt-broker.crt is not this hub's"));
  Replace("/hub/mosquitto/mqtt-broker.crt", own);
  Replace("/hub/mosquitto/mqtt-broker.key", Read("/other/mosquitto/mqtt-broker.key"));
  EXPECT_THAT(WhyNotHub(), HasSubstr("/hub/mosquitto/mqtt-broker.key is not this hub's"));
  EXPECT_EQ(Read("/hub/provider.crt"), before);
}

TEST_F(HubRenewalTest, NoCertificateOutlivesItsAuthority) {
  const WallTime end = ReadCertificate(Read("/hub/ca.crt"))->not_after;
  const WallTime late = end - std::chrono::hours(24 * 100);
  const auto renewed = RenewHub("/hub", files_, late);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_TRUE(renewed->until_authority_ends);
  EXPECT_EQ(renewed->not_after, end);
  EXPECT_EQ(ReadCertificate(Read("/hub/provider.crt"))->not_after, end);
}

TEST_F(HubRenewalTest, TellsWhichHostsAreNext) {
  Add("gw-1");
  Add("gw-2", kNow - std::chrono::minutes(30));
  Add("gw-3", kNow + std::chrono::hours(24 * 800));
  const auto hosts = RenewHub("/hub", files_, kNow + std::chrono::hours(24 * 700))->hosts;
  ASSERT_EQ(hosts.size(), 2U);
  EXPECT_EQ(hosts[0].first, "gw-2");
  EXPECT_EQ(hosts[1], std::make_pair(std::string("gw-1"), kNow + kCertificateValidity));
  ASSERT_TRUE(RenewHost("/hub", "gw-2", files_, kNow + std::chrono::hours(24 * 700)).ok());
  EXPECT_EQ(RenewHub("/hub", files_, kNow + std::chrono::hours(24 * 700))->hosts.size(), 1U);
}

TEST_F(HubRenewalTest, AHostStaysWhoItIs) {
  Add("gw-1");
  auto former = Credentials("gw-1");
  const auto renewed = RenewHost("/hub", "gw-1", files_, kLater);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->credentials_path, "/hub/hosts/gw-1.slicelet");
  EXPECT_EQ(renewed->not_after, kLater + kCertificateValidity);
  EXPECT_EQ(files_.Stat(renewed->credentials_path)->mode & 0777U, 0600U);
  auto young = Credentials("gw-1");
  EXPECT_TRUE(VerifyCertificate(young["certificate"], young["ca"], kLater).ok());
  EXPECT_TRUE(CheckKeyOfCertificate(young["certificate"], young["key"]).ok());
  EXPECT_EQ(ReadCertificate(young["certificate"])->uris, ReadCertificate(former["certificate"])->uris);
  // The keys that its secrets are sealed for and that it signs with, and what it knows of its hub.
  former.erase("certificate");
  young.erase("certificate");
  EXPECT_EQ(young, former);
}

TEST_F(HubRenewalTest, ARevokedHostIsNotRenewedAndARenewedOneIsRevokedWhole) {
  Add("gw-1");
  const std::string former = Credentials("gw-1")["certificate"];
  // As of a host that was added before there were records.
  ASSERT_TRUE(files_.RemoveAll("/hub/hosts/gw-1.crt").ok());
  ASSERT_TRUE(RenewHost("/hub", "gw-1", files_, kLater).ok());
  const std::string young = Credentials("gw-1")["certificate"];
  const auto revoked = RevokeHost("/hub", "gw-1", files_, kLater);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->certificates, 2);
  for (const std::string& one : {former, young})
    EXPECT_TRUE(IsRevoked(Read("/hub/mosquitto/revoked.crl"), one).value());
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("host gw-1 was revoked"));
  EXPECT_EQ(Credentials("gw-1")["certificate"], young);
}

TEST_F(HubRenewalTest, SaysWhyAHostIsNotRenewed) {
  EXPECT_THAT(WhyNotHost("gw/1"), HasSubstr("gw/1"));
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("copy the host's /etc/slicelet/host.json to it first"));
  Add("gw-1");
  Add("gw-2");
  const auto own = Credentials("gw-1");
  const std::string path = "/hub/hosts/gw-1.slicelet";
  Replace(path, Read("/hub/hosts/gw-2.slicelet"));
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("is of host \"gw-2\" of hub \"plant-7\""));
  auto mixed = own;
  mixed["key"] = Credentials("gw-2")["key"];
  Replace(path, mixed.dump());
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("the key in " + path + " is not this hub's"));
  Init("/other", "plant-7");
  mixed = own;
  mixed["certificate"] = Read("/other/operator.crt");
  Replace(path, mixed.dump());
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("the certificate in " + path + " is not this hub's"));
  Replace(path, "{");
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr(path + " is damaged"));
  Replace(path, own.dump());
  ASSERT_TRUE(files_.RemoveAll("/hub/ca.key").ok());
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("/hub/ca.key is not here"));
  EXPECT_EQ(Credentials("gw-1"), own);
}

TEST_F(HubRenewalTest, AFullDiskLeavesAHostItsFormerFile) {
  Add("gw-1");
  const auto former = Credentials("gw-1");
  files_.set_disk_full_below("/hub/hosts/gw-1.slicelet");
  EXPECT_THAT(WhyNotHost("gw-1"), HasSubstr("No space left on device"));
  EXPECT_EQ(Credentials("gw-1"), former);
}

}  // namespace
}  // namespace slicelet::provider
