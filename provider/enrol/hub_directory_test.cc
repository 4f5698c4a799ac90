#include "provider/enrol/hub_directory.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/testing/fake_file_system.h"
#include "common/crypto/signing.h"
#include "common/tls/pki.h"

namespace slicelet::provider {
namespace {

const WallTime kNow = FromUnixNanos(1'790'000'000'000'000'000);
constexpr std::uint64_t kLimit = 1 << 20;

HubOptions Options() {
  return {.name = "plant-7", .agent_endpoint = "hub.example.com:7443", .agent_listen = "0.0.0.0:7443"};
}

/// Names stand in them as they are.
std::string CertificateBytes(const std::string& pem) {
  const auto begin = pem.find('\n') + 1;
  std::string text = pem.substr(begin, pem.find("\n-----END") - begin);
  std::erase(text, '\n');
  return Base64Decode(text).value_or("");
}

TEST(HubDirectory, HoldsAHubAndCredentialsOfAHostThatBelongTogether) {
  FakeFileSystem files;
  ASSERT_TRUE(InitHub("/hub", Options(), files, kNow).ok());
  const auto host = AddHost("/hub", "gw-1", "slicelet", files, kNow);
  ASSERT_TRUE(host.ok()) << host.status();

  const auto json = nlohmann::json::parse(*files.Read(host->credentials_path, kLimit));
  EXPECT_EQ(json["hub"], "plant-7");
  EXPECT_EQ(json["host"], "gw-1");
  EXPECT_EQ(json["endpoint"], "hub.example.com:7443");
  EXPECT_TRUE(VerifyCertificate(json["certificate"], json["ca"], kNow).ok());
  EXPECT_EQ(ReadCertificate(json["certificate"])->common_name, "gw-1");
  EXPECT_EQ(files.Stat(host->credentials_path)->mode & 0777U, 0600U);

  // The host's root key certifies the key that signs manifests.
  KeyRing ring("plant-7", *HexDecode(json["rootKey"].get<std::string>()));
  v1::KeyCertificate certificate;
  ASSERT_TRUE(certificate.ParseFromString(*files.Read("/hub/manifest.cert", kLimit)));
  ASSERT_TRUE(ring.Add(certificate).ok());
  const auto signer = MakeSigner(*files.Read("/hub/manifest.key", kLimit));
  ASSERT_TRUE(signer.ok());
  v1::SignedManifest manifest;
  manifest.set_manifest("bytes");
  manifest.set_key_id((*signer)->key_id());
  manifest.set_signature((*signer)->Sign(SignaturePurpose::kManifest, "bytes"));
  EXPECT_TRUE(ring.VerifyManifest(manifest).ok());
}

TEST(HubDirectory, AHubWithABrokerGivesItAndItsHostsWhatTheyNeed) {
  FakeFileSystem files;
  auto options = Options();
  options.mqtt_endpoint = "mqtt.example.com:8883";
  options.mqtt_listen = "0.0.0.0:8883";
  ASSERT_TRUE(InitHub("/hub", options, files, kNow).ok());
  const auto host = AddHost("/hub", "gw-1", "slicelet", files, kNow);
  ASSERT_TRUE(host.ok()) << host.status();
  const auto json = nlohmann::json::parse(*files.Read(host->credentials_path, kLimit));
  EXPECT_EQ(json["mqtt"]["endpoint"], "mqtt.example.com:8883");
  // The host's root key certifies both keys, each for its own use.
  KeyRing envelope("plant-7", *HexDecode(json["rootKey"].get<std::string>()), "envelope");
  KeyRing inbox("plant-7", *HexDecode(json["rootKey"].get<std::string>()), "inbox");
  ASSERT_EQ(json["mqtt"]["keys"].size(), 2U);
  v1::KeyCertificate first;
  v1::KeyCertificate second;
  ASSERT_TRUE(first.ParseFromString(*HexDecode(json["mqtt"]["keys"][0].get<std::string>())));
  ASSERT_TRUE(second.ParseFromString(*HexDecode(json["mqtt"]["keys"][1].get<std::string>())));
  EXPECT_TRUE(envelope.Add(first).ok());
  EXPECT_FALSE(inbox.Add(first).ok());
  EXPECT_TRUE(inbox.Add(second).ok());
  // No host's name can be the hub's at the broker.
  const std::string user = ReadCertificate(*files.Read("/hub/mqtt.crt", kLimit))->common_name;
  EXPECT_FALSE(CheckDnsLabel("host", user).ok());
  const std::string access = *files.Read("/hub/mosquitto/mosquitto.acl", kLimit);
  EXPECT_NE(access.find("user " + user + "\n"), std::string::npos);
  EXPECT_NE(access.find("pattern write slicelet/v1/plant-7/h/%u/up\n"), std::string::npos);
  EXPECT_NE(files.Read("/hub/mosquitto/mosquitto.conf", kLimit)->find("require_certificate true"),
            std::string::npos);
  EXPECT_NE(files.Read("/hub/provider.yaml", kLimit)->find("broker: \"mqtt.example.com:8883\""),
            std::string::npos);

  options.mqtt_endpoint = "mqtt.example.com";
  const auto bad = InitHub("/other", options, files, kNow);
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(bad.message()).find("\"mqtt.example.com\""), std::string::npos);
}

TEST(HubDirectory, AnEndpointOfTheProviderIsWhereTheOperatorGoesAndChangesNoOtherFile) {
  FakeFileSystem files;
  HubOptions options = Options();
  options.kubeconfig = "/kubeconfig";
  ASSERT_TRUE(InitHub("/hub", options, files, kNow).ok());
  const auto text = [&](const std::string& name) { return *files.Read("/hub/" + name, kLimit); };
  const std::vector<std::string> same = {"provider.yaml", "shim.yaml", "hub.json"};
  std::vector<std::string> before;
  before.reserve(same.size());
  for (const auto& name : same) before.push_back(text(name));
  std::string expected = text("operator.yaml");
  const std::string socket = "provider: \"unix:/hub/provider.sock\"\n";
  ASSERT_NE(expected.find(socket), std::string::npos);
  expected.replace(expected.find(socket), socket.size(), "provider: \"hub.plant-7.example:7444\"\n");

  // In the place of the other one, so that paths are the same.
  ASSERT_TRUE(files.RemoveAll("/hub/hub.json").ok());
  options.provider_endpoint = "hub.plant-7.example:7444";
  ASSERT_TRUE(InitHub("/hub", options, files, kNow).ok());
  EXPECT_EQ(text("operator.yaml"), expected);
  for (std::size_t i = 0; i < same.size(); ++i) EXPECT_EQ(text(same[i]), before[i]) << same[i];
  EXPECT_NE(CertificateBytes(text("provider.crt")).find("hub.plant-7.example"), std::string::npos);

  for (const char* bad : {"127.0.0.1", "127.0.0.1:", ":7444", "127.0.0.1:0", "127.0.0.1:65536", "unix:/sock",
                          "127.0.0.1:74444444444444444444"}) {
    options.provider_endpoint = bad;
    EXPECT_EQ(Message(InitHub("/other", options, files, kNow)),
              "the provider's endpoint must be HOST:PORT, got \"" + std::string(bad) + "\"");
  }
}

TEST(HubDirectory, NeverOverwritesKeys) {
  FakeFileSystem files;
  ASSERT_TRUE(InitHub("/hub", Options(), files, kNow).ok());
  const std::string key = *files.Read("/hub/ca.key", kLimit);
  EXPECT_EQ(InitHub("/hub", Options(), files, kNow).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*files.Read("/hub/ca.key", kLimit), key);
  ASSERT_TRUE(AddHost("/hub", "gw-1", "slicelet", files, kNow).ok());
  EXPECT_EQ(AddHost("/hub", "gw-1", "slicelet", files, kNow).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(HubDirectory, NamesBadInput) {
  FakeFileSystem files;
  HubOptions options = Options();
  options.name = "Plant_7";
  EXPECT_NE(Message(InitHub("/hub", options, files, kNow)).find("Plant_7"), std::string::npos);
  options = Options();
  options.agent_endpoint = "hub.example.com";
  EXPECT_NE(Message(InitHub("/hub", options, files, kNow)).find("hub.example.com"), std::string::npos);
  EXPECT_FALSE(files.Stat("/hub/ca.key").ok()) << "nothing is written for bad input";
  EXPECT_EQ(AddHost("/hub", "gw-1", "slicelet", files, kNow).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(InitHub("/hub", Options(), files, kNow).ok());
  EXPECT_NE(Message(AddHost("/hub", "gw/1", "slicelet", files, kNow).status()).find("gw/1"),
            std::string::npos);
}

}  // namespace
}  // namespace slicelet::provider
