#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "edge-agent/images/docker_config.h"
#include "edge-agent/images/image_reference.h"

namespace slicelet::agent {
namespace {

TEST(CheckImageName, KnowsGoodFromBad) {
  for (const char* good : {"nginx", "nginx:1.2", "a/b", "localhost:5000/x/y:t", "r.io/a__b/c--d.e:T_1",
                           "x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}) {
    EXPECT_TRUE(CheckImageName(good).ok()) << good;
  }
  for (const char* bad : {"", "Nginx", "a//b", "x:", "-a", "a/", "x@sha256:zz", "a b", "a___b"}) {
    EXPECT_FALSE(CheckImageName(bad).ok()) << bad;
  }
}

TEST(DockerConfig, LongestMatchComesFirst) {
  v1::FileSet secret;
  auto& file = *secret.add_files();
  file.set_key(".dockerconfigjson");
  file.set_data(R"({"auths":{"https://index.docker.io/v1/":{"auth":")" + Base64Encode("hub:pw") +
                R"("},"r.io":{"username":"short","password":"p"},"r.io/team":{"username":"long"},)"
                R"("*.example.com":{"username":"star"}}})");
  const auto config = DockerConfig::Parse(secret);
  ASSERT_TRUE(config.ok()) << config.status();
  const auto users = [&](const std::string& image) {
    std::vector<std::string> names;
    for (const auto& auth : config->Lookup(image)) names.push_back(auth.username);
    return names;
  };
  EXPECT_EQ(users("nginx:1"), std::vector<std::string>{"hub"});
  EXPECT_EQ(users("r.io/team/x"), (std::vector<std::string>{"long", "short"}));
  EXPECT_EQ(users("r.io/other"), std::vector<std::string>{"short"});
  EXPECT_EQ(users("a.example.com/x"), std::vector<std::string>{"star"});
  EXPECT_TRUE(users("example.com/x").empty());
}

TEST(DockerConfig, RefusesWhatIsNoConfiguration) {
  v1::FileSet secret;
  EXPECT_FALSE(DockerConfig::Parse(secret).ok());
  auto& file = *secret.add_files();
  file.set_key(".dockerconfigjson");
  for (const char* bad :
       {"", "[]", R"({"auths":[]})", R"({"auths":{"r.io":{"auth":"!"}}})", R"({"auths":{"r.io":1}})"}) {
    file.set_data(bad);
    EXPECT_FALSE(DockerConfig::Parse(secret).ok()) << bad;
  }
  // Its copy needs more stack than there is.
  file.set_data(R"({"auths":{"r.io":)" + std::string(200'000, '[') + std::string(200'000, ']') + "}}");
  EXPECT_FALSE(DockerConfig::Parse(secret).ok());
}

}  // namespace
}  // namespace slicelet::agent
