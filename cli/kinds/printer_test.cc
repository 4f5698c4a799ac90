#include "cli/kinds/printer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/json/yaml.h"

namespace slicelet::cli {
namespace {

const WallTime kNow = *ParseTime("2026-11-21T12:00:00Z");

Json Device() {
  return Json::parse(R"({"apiVersion":"slicelet.io/v1alpha1","kind":"IotDevice",
    "metadata":{"name":"oven","namespace":"north","creationTimestamp":"2026-11-21T11:59:00Z","managedFields":[{}]},
    "spec":{"gateway":"press","protocol":"virtual"},
    "status":{"conditions":[{"type":"Registered","status":"False","reason":"Refused","message":"two\nlines",
                             "lastTransitionTime":"2026-11-21T11:59:30Z"}],
              "steps":[{"name":"Register","state":"Failed","message":"no","time":"2026-11-21T11:59:50Z"}]}})");
}

TEST(Printer, ListsWithTheKindsColumns) {
  const Kind& kind = *FindKind("device");
  const std::string text = PrintList(kind, {Device()}, "table", true, kNow);
  EXPECT_EQ(text.substr(0, text.find('\n')).substr(0, 30), "NAMESPACE   NAME   GATEWAY   P");
  EXPECT_NE(text.find("north       oven   press     virtual"), std::string::npos) << text;
  EXPECT_NE(text.find("False"), std::string::npos);
  EXPECT_NE(text.find("60s\n"), std::string::npos);
  EXPECT_EQ(text.find("WHY"), std::string::npos);
  EXPECT_NE(PrintList(kind, {Device()}, "wide", false, kNow).find("WHY"), std::string::npos);
}

TEST(Printer, NamesAreForKubectl) {
  EXPECT_EQ(PrintList(*FindKind("device"), {Device(), Device()}, "name", true, kNow),
            "iotdevice.slicelet.io/oven\niotdevice.slicelet.io/oven\n");
}

TEST(Printer, StructuredFormsAreTheObjects) {
  const Kind& kind = *FindKind("device");
  Json shown = Device();
  shown["metadata"].erase("managedFields");
  EXPECT_EQ(Json::parse(PrintOne(kind, Device(), "json", kNow)), shown);
  EXPECT_EQ(*ParseYaml(PrintOne(kind, Device(), "yaml", kNow)), shown);
  const Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array({shown})}};
  EXPECT_EQ(Json::parse(PrintList(kind, {Device()}, "json", false, kNow)), list);
  EXPECT_EQ(*ParseYaml(PrintList(kind, {Device()}, "yaml", false, kNow)), list);
}

TEST(Printer, OneObjectShowsConditionsAndSteps) {
  const std::string text = PrintOne(*FindKind("device"), Device(), "table", kNow);
  EXPECT_NE(text.find("\nCONDITION    STATUS   REASON    SINCE   MESSAGE\n"
                      "Registered   False    Refused   30s     two\\nlines\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nSTEP       STATE    SINCE   MESSAGE\nRegister   Failed   10s     no\n"),
            std::string::npos)
      << text;
}

TEST(Printer, WhatIsMissingIsBlank) {
  EXPECT_EQ(PrintList(*FindKind("cluster"), {Json::object()}, "name", false, kNow),
            "iotcluster.slicelet.io/\n");
  EXPECT_NE(PrintOne(*FindKind("cluster"), Json::object(), "table", kNow), "");
}

}  // namespace
}  // namespace slicelet::cli
