#include "cli/import/toml_file.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace slicelet::cli {
namespace {

using testing::HasSubstr;

TEST(Toml, BecomesJson) {
  const auto json = ParseToml("a = 1\nb = [1.5, true, \"x\"]\nat = 2026-11-21\n[t.one]\nk = { d = \"e\" }\n");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, nlohmann::json::parse(
                       R"({"a":1,"b":[1.5,true,"x"],"at":"2026-11-21","t":{"one":{"k":{"d":"e"}}}})"));
}

TEST(Toml, WhatIsNotTomlNamesThePlace) {
  for (const std::string& text : {std::string("a = \n"), std::string("[a\n"), std::string("a=1\na=2\n"),
                                  "a = " + std::string(100'000, '['), std::string("a = \"\xff\"\n")}) {
    const auto json = ParseToml(text);
    EXPECT_TRUE(absl::IsInvalidArgument(json.status()));
    EXPECT_THAT(std::string(json.status().message()), HasSubstr("at line "));
  }
}

}  // namespace
}  // namespace slicelet::cli
