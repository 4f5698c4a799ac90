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
