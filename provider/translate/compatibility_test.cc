// Tries out every row of docs/compatibility.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "provider/translate/testing/compatibility_cases.h"
#include "provider/translate/translate.h"

namespace slicelet::provider {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Row {
  std::string field;
  std::string verdict;
};

std::map<std::string, CompatibilityCase> AllCases() {
  std::map<std::string, CompatibilityCase> all;
  for (const auto& cases : {MetadataCases(), PodCases(), PodSecurityCases(), ContainerCases(), ProbeCases(),
                            ContainerSecurityCases(), VolumeCases()}) {
    for (const CompatibilityCase& one : cases)
      EXPECT_TRUE(all.emplace(one.field, one).second) << one.field << " is there twice";
  }
  return all;
}

std::vector<Row> ReadDocument() {
  std::ifstream file(SLICELET_SOURCE_DIR "/docs/compatibility.md");
  static const std::regex kRow(R"(^\| `([^`]+)` \| (\w+) \|.*\|$)");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kRow))
      rows.push_back({match[1], match[2]});
    else
      EXPECT_FALSE(line.starts_with("| `")) << "not a row that this test can read: " << line;
  }
  return rows;
}

std::vector<v1::ContainerEnvironment> Resolved() {
  v1::ContainerEnvironment environment;
  environment.set_container("resolved");
  auto& var = *environment.add_env();
  var.set_name("R");
  var.mutable_secret()->set_content_id("secret/s");
  var.mutable_secret()->set_key("k");
  return {environment};
}

std::string Text(const Translation& translation) {
  std::string per_host;
  for (const ContentId& id : translation.per_host) per_host += " per_host: \"" + id.value() + "\"";
  return translation.workload.ShortDebugString() + " " + translation.gateway.ShortDebugString() +
         " role: " + v1::Role_Name(translation.role) + " priority: " + std::to_string(translation.priority) +
         " autonomy: " + std::to_string(translation.autonomy.count()) +
         " log_tails: " + (translation.log_tails ? translation.log_tails->ShortDebugString() : "") + per_host;
}

TEST(Compatibility, EveryRowOfTheDocumentHoldsAndEveryCaseHasARow) {
  auto cases = AllCases();
  const auto rows = ReadDocument();
  ASSERT_GT(rows.size(), 100U);
  for (const Row& row : rows) {
    SCOPED_TRACE(row.field);
    const auto found = cases.find(row.field);
    if (found == cases.end()) {
      ADD_FAILURE() << "docs/compatibility.md has a row that no case tries out";
      continue;
    }
    const CompatibilityCase sample = found->second;
    cases.erase(found);
    const auto result = Translate(sample.pod, Resolved());
    const auto* refusal = std::get_if<v1::Refusal>(&result);
    if (row.verdict == "refused") {
      ASSERT_NE(refusal, nullptr);
      EXPECT_EQ(refusal->field(), sample.expected);
      EXPECT_THAT(refusal->message(), HasSubstr(sample.expected));
      EXPECT_FALSE(refusal->reason().empty());
      continue;
    }
    if (refusal != nullptr) {
      ADD_FAILURE() << "refused: " << refusal->message();
      continue;
    }
    const auto& translation = std::get<Translation>(result);
    if (row.verdict == "honoured") {
      EXPECT_THAT(Text(translation), HasSubstr(sample.expected));
      EXPECT_THAT(translation.ignored, IsEmpty());
    } else {
      EXPECT_EQ(row.verdict, "ignored");
      EXPECT_THAT(translation.ignored, Contains(sample.expected));
    }
  }
  for (const auto& [field, sample] : cases)
    ADD_FAILURE() << field << " has a case, but no row in the document";
}

}  // namespace
}  // namespace slicelet::provider
