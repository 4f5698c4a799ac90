#include "common/json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

using ::testing::HasSubstr;

TEST(ParseJson, SaysWhereTheMistakeIs) {
  EXPECT_THAT(Message(ParseJson("{\"a\": 1,\n  oops}").status()), HasSubstr("line 2"));
  EXPECT_FALSE(ParseJson("").ok());
  EXPECT_FALSE(ParseJson("{} x").ok());
}

TEST(ParseJson, BoundsTheDepth) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };

  EXPECT_TRUE(ParseJson(nested(kMaxJsonDepth)).ok());
  EXPECT_FALSE(ParseJson(nested(kMaxJsonDepth + 1)).ok());
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '[')).ok());
  EXPECT_TRUE(ParseJson("[\"" + std::string(1'000, '[') + "\", \"\\\"[[\"]", 1).ok());
}

TEST(ParseJsonStrictly, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_TRUE(ParseJsonStrictly(R"({"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]})").ok());
  EXPECT_THAT(Message(ParseJsonStrictly(R"({"x": [{"a": 1, "a": 2}]})").status()),
              HasSubstr("\"a\" stands twice"));
}

TEST(DumpJson, ReplacesInvalidUtf8) { EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xEF\xBF\xBD\""); }

class AccessTest : public ::testing::Test {
 protected:
  const Json json_ = Json::parse(R"({"metadata": {"name": "web", "labels": {"a/b": "x", "~": "t"}, "n": 3},
                                     "list": [{"on": true}], "text": "5"})");
};

TEST_F(AccessTest, FollowsPointers) {
  EXPECT_EQ(GetString(json_, "/metadata/name"), "web");
  EXPECT_EQ(GetString(json_, "/metadata/labels/a~1b"), "x");
  EXPECT_EQ(GetString(json_, "/metadata/labels/" + EscapeJsonPointer("~")), "t");
  EXPECT_EQ(GetInt(json_, "/metadata/n"), 3);
  EXPECT_TRUE(GetBool(json_, "/list/0/on"));
  EXPECT_EQ(GetArray(json_, "/list").size(), 1u);
  EXPECT_EQ(FindJson(json_, ""), &json_);
}

TEST_F(AccessTest, WhatIsMissingOrOfAnotherTypeGivesTheFallback) {
  EXPECT_EQ(GetString(json_, "/metadata/missing", "x"), "x");
  EXPECT_EQ(GetString(json_, "/metadata/n", "x"), "x");
  EXPECT_EQ(GetInt(json_, "/text", 7), 7);
  EXPECT_TRUE(GetBool(json_, "/text", true));
  EXPECT_TRUE(GetArray(json_, "/metadata").empty());
  EXPECT_TRUE(GetObject(json_, "/list").empty());
  for (const char* pointer :
       {"/list/1", "/list/x", "/list/-1", "/list/99999999999999999999", "/text/0", "list", "//"}) {
    EXPECT_EQ(FindJson(json_, pointer), nullptr) << pointer;
  }
}

}  // namespace
}  // namespace slicelet
