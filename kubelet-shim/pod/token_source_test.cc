#include "kubelet-shim/pod/token_source.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;

Json Pod(const std::string& annotation) {
  Json pod = Json::parse(R"({"metadata": {"annotations": {}}, "spec": {"volumes": [
    {"name": "kube-api-access-q", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}]}},
    {"name": "own", "projected": {"sources": [{"configMap": {"name": "c"}}, {"serviceAccountToken": {"path": "a/b", "audience": "x"}}]}},
    {"name": "other", "emptyDir": {}}]}})");
  if (!annotation.empty()) pod["metadata"]["annotations"]["slicelet.io/api-access"] = annotation;
  return pod;
}

struct Case {
  const char* annotation;
  bool by_default;
  bool automatic;
};

class ApiAccessRule : public testing::TestWithParam<Case> {};

TEST_P(ApiAccessRule, DecidesAboutTheAutomaticVolumeOnly) {
  bool withheld = false;
  const auto specs = CollectTokens(Pod(GetParam().annotation), GetParam().by_default, &withheld);
  EXPECT_EQ(withheld, !GetParam().automatic);
  ASSERT_EQ(specs.size(), GetParam().automatic ? 2u : 1u);
  EXPECT_EQ(specs.back(), (TokenSpec{.name = "own/a/b", .audience = "x", .expiration_seconds = 3'600}));
  if (GetParam().automatic) {
    EXPECT_EQ(specs.front(),
              (TokenSpec{.name = "kube-api-access-q/token", .audience = "", .expiration_seconds = 3'607}));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ApiAccessRule,
                         testing::Values(Case{"", false, false}, Case{"", true, true},
                                         Case{"true", false, true}, Case{"false", true, false},
                                         Case{"maybe", false, false}));

}  // namespace
}  // namespace slicelet::shim
