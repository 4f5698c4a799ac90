#include "cli/kinds/refusal.h"

#include <gmock/gmock.h>

namespace slicelet::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Refusal, NamesFieldAndOptions) {
  const std::string text = ReadableRefusal(
      *FindKind("gateway"), "press",
      R"(IotGateway.slicelet.io "press" is invalid: [spec.target: Invalid value: "object": give host (one edge machine) or node (a fleet node), not both, <nil>: Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation])",
      {{"--host", {"gw-1"}}, {"--node", {"fleet"}}, {"--slice", {"north"}}});
  EXPECT_EQ(text,
            "gateway \"press\" is refused: spec.target: give host (one edge machine) or node (a fleet node), "
            "not both "
            "(--host gw-1, --hosts, --node fleet, --placement, --target-condition)");
}

TEST(Refusal, KeepsTheValue) {
  EXPECT_EQ(
      ReadableRefusal(
          *FindKind("gateway"), "press",
          R"(IotGateway.slicelet.io "press" is invalid: spec.profile: Unsupported value: "x": supported values: "custom")",
          {{"--profile", {"x"}}}),
      R"(gateway "press" is refused: spec.profile: Unsupported value: "x": supported values: "custom" (--profile x))");
}

TEST(Refusal, ARuleOnTheWholeSpecNamesItsFieldsInWords) {
  EXPECT_EQ(
      ReadableRefusal(
          *FindKind("server"), "hall",
          R"(IotServer.slicelet.io "hall" is invalid: spec: Invalid value: "object": url is where a server of profile external is; give both or neither)",
          {{"--url", {"http://a"}}, {"--slice", {"north"}}}),
      "server \"hall\" is refused: spec: url is where a server of profile external is; give both or neither "
      "(--profile, --url http://a)");
}

TEST(Refusal, IsOneLineOfBoundedLength) {
  const std::string long_value(10'000, 'x');
  const std::string text =
      ReadableRefusal(*FindKind("slice"), long_value, "spec.namespace: too long:\n" + long_value,
                      {{"--slice-namespace", {long_value}}});
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  EXPECT_THAT(text, HasSubstr("--slice-namespace xxx"));
  EXPECT_LT(text.size(), 900U);
}

}  // namespace
}  // namespace slicelet::cli
