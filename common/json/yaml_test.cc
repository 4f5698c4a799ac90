#include "common/json/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* yaml;
  const char* json;
};

class YamlTest : public ::testing::TestWithParam<Case> {};

TEST_P(YamlTest, BecomesTheJsonKubernetesSees) {
  const auto parsed = ParseYaml(GetParam().yaml);

  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->dump(), Json::parse(GetParam().json).dump());
}

INSTANTIATE_TEST_SUITE_P(
    Scalars, YamlTest,
    ::testing::Values(
        Case{"[yes, on, True, y]", "[true, true, true, true]"},
        Case{"[no, off, FALSE, n]", "[false, false, false, false]"},
        Case{"['yes', \"on\", 'true', \"1\"]", R"(["yes", "on", "true", "1"])"},
        Case{"[017, 0o17, 0x1f, 0b11, 1_000, -5, +7]", "[15, 15, 31, 3, 1000, -5, 7]"},
        Case{"[1.5, .5, 1e3, -2.5e-1, 1.]", "[1.5, 0.5, 1000.0, -0.25, 1.0]"},
        Case{"[v1, 1.2.3, 10.0.0.1, 1m, -, '']", R"(["v1", "1.2.3", "10.0.0.1", "1m", "-", ""])"},
        Case{"[9223372036854775807, 18446744073709551615, -9223372036854775808]",
             "[9223372036854775807, 18446744073709551615, -9223372036854775808]"},
        Case{"{a: , b: ~, c: null, d: Null}", R"({"a": null, "b": null, "c": null, "d": null})"},
        Case{"2026-01-01", "\"2026-01-01\""}, Case{"!!str 5", "\"5\""},
        Case{"{80: web, true: x, name: y}", R"({"80": "web", "true": "x", "name": true})"},
        Case{"a: |\n  yes\n", R"({"a": "yes\n"})"}, Case{"a: >-\n  1\n", R"({"a": "1"})"},
        Case{"{\"a\": [1, {\"b\": null}]}", R"({"a": [1, {"b": null}]})"},
        Case{"a: &x {b: 1}\nc: *x\n", R"({"a": {"b": 1}, "c": {"b": 1}})"}));

TEST(ParseYamlDocuments, LeavesOutEmptyDocuments) {
  const auto documents =
      ParseYamlDocuments("---\n# only a comment\n---\nkind: Pod\n---\n---\nkind: Secret\n");

  ASSERT_TRUE(documents.ok());
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ((*documents)[1]["kind"], "Secret");
  EXPECT_TRUE(ParseYamlDocuments("").value().empty());
}

struct BadCase {
  const char* yaml;
  const char* message;
};

class BadYamlTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadYamlTest, SaysWhereAndWhy) {
  const auto parsed = ParseYamlDocuments(GetParam().yaml);

  ASSERT_TRUE(absl::IsInvalidArgument(parsed.status()));
  EXPECT_THAT(Message(parsed.status()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Bad, BadYamlTest,
    ::testing::Values(BadCase{"a: 1\nb: 2\na: 3\n", "line 3, column 1: key \"a\" stands twice"},
                      BadCase{"a: [1, 2\n", "line 2"}, BadCase{"a: .inf\n", "JSON has no .inf"},
                      BadCase{"? [a]\n: b\n", "a key must be text"},
                      BadCase{"a: !!binary aGk=\n", "not supported"},
                      BadCase{"a: &x {b: 1}\nc:\n  <<: *x\n", "merge keys"},
                      BadCase{"~: 1\n", "must not be null"}, BadCase{"a: 1e999\n", "too large"},
                      BadCase{"a: *nowhere\n", "line 1"}));

TEST(ParseYamlDocuments, AliasesCannotBlowUp) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string former = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + former;
    for (int j = 0; j < 9; ++j) bomb += ", " + former;
    bomb += "]\n";
  }

  EXPECT_THAT(Message(ParseYamlDocuments(bomb).status()), HasSubstr("aliases"));
}

TEST(ParseYamlDocuments, BoundsTheDepth) {
  EXPECT_FALSE(ParseYamlDocuments(std::string(100, '[') + std::string(100, ']')).ok());
  EXPECT_FALSE(ParseYamlDocuments(std::string(100'000, '[')).ok());
}

TEST(ParseYaml, WantsExactlyOneDocument) {
  EXPECT_THAT(Message(ParseYaml("a: 1\n---\nb: 2\n").status()), HasSubstr("2 YAML documents"));
  EXPECT_FALSE(ParseYaml("").ok());
}

}  // namespace
}  // namespace slicelet
