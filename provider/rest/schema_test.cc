#include "provider/rest/schema.h"

#include <gmock/gmock.h>

namespace slicelet::provider {
namespace {

std::string Problems(const std::string& schema, const std::string& value) {
  std::string text;
  for (const Violation& violation :
       CheckValue(Json::parse(schema), Json::parse(value), "v", Json::object())) {
    text += (text.empty() ? "" : "; ") + violation.field + " " + violation.problem;
  }
  return text;
}

TEST(CheckValue, KnowsWhatDefinitionsUse) {
  const std::vector<std::tuple<const char*, const char*, const char*>> table = {
      {R"({"type":"integer"})", "1", ""},
      {R"({"type":"integer"})", "1.5", "v is 1.5, not of type integer"},
      {R"({"type":"number"})", "1.5", ""},
      {R"({"type":"string","nullable":true})", "null", ""},
      {R"({"type":"string"})", "null", "v is null, not of type string"},
      {R"({"enum":["a","b"]})", R"("c")", R"(v is "c", not one of ["a","b"])"},
      {R"({"enum":["True","False"]})", "true", R"(v is true, not one of ["True","False"])"},
      {R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", "true",
       R"(v is true, which fits none of [{"type":"integer"},{"type":"string"}])"},
      {R"({"type":"string","minLength":2,"maxLength":3})", R"("ä")", "v has 1 characters, fewer than 2"},
      {R"({"type":"string","minLength":2,"maxLength":3})", R"("äöüß")", "v has 4 characters, more than 3"},
      {R"({"type":"string","pattern":"^a+$"})", R"("ab")", R"(v is "ab", which does not match ^a+$)"},
      {R"({"type":"number","minimum":0,"maximum":1})", "2", "v is 2, more than 1"},
      {R"({"type":"array","minItems":1})", "[]", "v has 0 items, fewer than 1"},
      {R"({"type":"array","items":{"type":"string"}})", "[1]", "v[0] is 1, not of type string"},
      {R"({"type":"object","required":["a"]})", "{}", "v.a is missing"},
      {R"({"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}})",
       R"({"a":{"b":1,"c":2},"d":3})", "v.a.b is 1, not of type string"},
      {R"({"type":"object","maxProperties":1})", R"({"a":1,"b":2})", "v has 2 members, more than 1"},
      {R"({"type":"object","additionalProperties":{"type":"string"}})", R"({"a":1})",
       "v.a is 1, not of type string"},
  };
  for (const auto& [schema, value, why] : table) EXPECT_EQ(Problems(schema, value), why) << schema << value;
}

TEST(CheckValue, TellsABoundedNumberAndCutsValues) {
  EXPECT_EQ(
      CheckValue(Json::parse(R"({"items":{"type":"string"}})"), Json(std::vector<int>(1'000, 1)), "", {})
          .size(),
      kMaxViolations);
  const auto found = CheckValue({{"type", "integer"}}, std::string(100'000, 'x'), "v", {});
  EXPECT_LT(found[0].problem.size(), 200U);
  // A pattern is not tried on what would make it slow.
  EXPECT_TRUE(CheckValue({{"pattern", "^(a|aa)+$"}}, std::string(100'000, 'b'), "v", {}).empty());
}

TEST(Closed, RefusesWhatIsNotNamed) {
  const Json schema = Closed(Json::parse(
      R"({"properties":{"a":{"items":{"properties":{"b":{}}}},"free":{"properties":{"c":{}},"x-kubernetes-preserve-unknown-fields":true},"map":{"additionalProperties":{"properties":{}}}}})"));
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"]["a"]["items"]["additionalProperties"], false);
  EXPECT_FALSE(schema["properties"]["free"].contains("additionalProperties"));
  EXPECT_EQ(schema["properties"]["map"]["additionalProperties"]["additionalProperties"], false);
}

TEST(ForPatch, RequiresNothingAndTakesNull) {
  const Json schema = ForPatch(Json::parse(
      R"({"required":["a"],"properties":{"a":{"type":"string"},"list":{"type":"array","items":{"required":["b"],"properties":{"b":{"type":"string"}}}},"map":{"additionalProperties":{"type":"string"}}}})"));
  EXPECT_TRUE(CheckValue(schema, Json::parse(R"({"a":null,"map":{"x":null}})"), "", {}).empty());
  EXPECT_FALSE(CheckValue(schema, Json::parse(R"({"list":[{}]})"), "", {}).empty());
}

}  // namespace
}  // namespace slicelet::provider
