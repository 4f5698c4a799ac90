#include "common/json/yaml_writer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/json/yaml.h"

namespace slicelet {
namespace {

TEST(DumpYaml, LooksAsPeopleWriteIt) {
  const Json json =
      Json::parse(R"({"kind":"IotGateway","spec":{"nodes":["gw-1","gw-2"],"suspended":false,"pods":20,
                                    "none":null,"empty":[],"nothing":{}}})");
  EXPECT_EQ(DumpYaml(json),
            "kind: IotGateway\n"
            "spec:\n"
            "  empty: []\n"
            "  nodes:\n"
            "    - gw-1\n"
            "    - gw-2\n"
            "  none: ~\n"
            "  nothing:\n"
            "    {}\n"
            "  pods: 20\n"
            "  suspended: false\n");
}

TEST(DumpYaml, IsReadBackAsTheSameValues) {
  for (const char* text : {"",
                           " ",
                           "a b",
                           " a",
                           "a ",
                           "yes",
                           "no",
                           "on",
                           "True",
                           "null",
                           "~",
                           "017",
                           "0x1f",
                           "1e3",
                           "1.5",
                           "-",
                           "- a",
                           "a: b",
                           "a:b",
                           "#a",
                           "a #b",
                           "a\nb",
                           "a\n",
                           "\t",
                           "\"",
                           "'",
                           "\\",
                           "{a}",
                           "[a]",
                           "&a",
                           "*a",
                           "!a",
                           "%a",
                           "@a",
                           "`a",
                           "|",
                           ">",
                           "? a",
                           "<<",
                           "=",
                           ".inf",
                           "1_000",
                           "2026-11-21T12:00:00Z",
                           "2026-11-21",
                           "\x01",
                           "\x7f",
                           "K\xc3\xbc\x63he",
                           "\xe2\x9c\x93",
                           "\xf0\x9f\x98\x80",
                           "\xc2\x85",
                           "tags.site = 'north'",
                           "---",
                           "..."}) {
    for (const Json& json : {Json(text), Json{{"key", text}}, Json{{"list", {text, text}}}}) {
      const std::string written = DumpYaml(json);
      const auto read = ParseYaml(written);
      ASSERT_TRUE(read.ok()) << written << read.status();
      EXPECT_EQ(*read, json) << written;
    }
    if (std::string_view(text) == "<<") continue;
    const Json json = {{text, 1}};
    const auto read = ParseYaml(DumpYaml(json));
    ASSERT_TRUE(read.ok()) << DumpYaml(json) << read.status();
    EXPECT_EQ(*read, json);
  }
  for (const char* text :
       {"0", "-1", "9223372036854775807", "18446744073709551615", "0.1", "1e300", "true", "null"}) {
    EXPECT_EQ(*ParseYaml(DumpYaml({{"a", Json::parse(text)}})), (Json{{"a", Json::parse(text)}}));
  }
}

}  // namespace
}  // namespace slicelet
