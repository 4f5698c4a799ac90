#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct BadText {
  std::string key, value, should;
  friend std::ostream& operator<<(std::ostream& out, const BadText& one) {
    return out << one.key << " \"" << one.value.substr(0, 20) << "\"";
  }
};

class RefusedAnnotation : public ::testing::TestWithParam<BadText> {};
/// By its key, with as much of its value as a message holds.
TEST_P(RefusedAnnotation, NamesKeyAndValue) {
  const auto& [key, value, should] = GetParam();
  Json pod = SamplePod();
  pod["metadata"]["labels"]["slicelet.io/role"] = "gateway";
  pod["metadata"]["annotations"]["slicelet.io/" + key] = value;
  pod["spec"]["volumes"] = Json::parse(R"([{"name": "empty", "emptyDir": {}}])");
  const v1::Refusal refusal = Refused(pod);
  EXPECT_EQ(refusal.reason(), "InvalidAnnotation");
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/" + key + "]");
  const std::string shown = value.size() <= 200 ? value : value.substr(0, 200) + "[...]";
  EXPECT_THAT(refusal.message(), HasSubstr("is \"" + shown + "\""));
  EXPECT_THAT(refusal.message(), HasSubstr(should));
  EXPECT_LT(refusal.message().size(), 600U);
}

std::vector<BadText> BadTexts() {
  const std::map<std::string, std::pair<std::string, std::vector<std::string>>> of_keys = {
      {"priority",
       {"a whole number of 32 bits",
        {"high", "3000000000", "2147483648", "-2147483649", "1.5", "+1", " 1", "1 ", "0x10"}}},
      {"autonomy",
       {"forever or a duration",
        {"a while", "0", "0s", "-1h", "72", "h", "1e3h", "40000d", "Forever", "1h "}}},
      {"log-tail", {"a duration of 1m to 7d", {"10s", "0", "0s", "-1m", "8d", "Exit"}}},
      {"api-access", {"\"true\" or \"false\"", {"yes", "0", "1", "-1", "TRUE", "true "}}},
      {"per-host-secrets", {"names of Secrets", {"0", "-1", ",", "absent", "absent,"}}},
      {"iot-devices", {"volume of this pod", {"0", "-1", "absent", "empty"}}},
      {"depends-on", {"", {"0", "-1", ";", "="}}}};
  std::vector<BadText> values;
  for (const auto& [key, bad] : of_keys) {
    const auto& [should, texts] = bad;
    for (const auto& text : texts) values.push_back({key, text, should});
    values.push_back({key, "", should});
    values.push_back({key, std::string(100'000, '9'), should});
  }
  return values;
}

INSTANTIATE_TEST_SUITE_P(Values, RefusedAnnotation, ::testing::ValuesIn(BadTexts()));

TEST(Annotations, AValueThatIsCutInAMessageIsStillText) {
  std::string value;
  for (int i = 0; i < 1'000; ++i) value += "x€";
  const v1::Refusal refusal = Refused(With("/metadata/annotations", {{"slicelet.io/priority", value}}));
  v1::Refusal read;
  EXPECT_TRUE(read.ParseFromString(refusal.SerializeAsString()));
  EXPECT_NO_THROW(Json(refusal.message()).dump()) << "no half character";
}

TEST(Annotations, ReadsWhatAFleetNodesPodSaysAboutItsHosts) {
  const TranslateOptions fleet{.fleet = true};
  const Json pod = With("/metadata/annotations", {{"isEdgeDeployment", "true"},
                                                  {"targetCondition", "tags.building='b43'"},
                                                  {"priority", "15"},
                                                  {"slicelet.io/min-ready", "50%"}});
  const Translation translation = Translated(pod, fleet);
  ASSERT_TRUE(translation.fleet.has_value());
  EXPECT_EQ(translation.fleet->condition.text(), "tags.building='b43'");
  EXPECT_EQ(translation.priority, 15);
  EXPECT_THAT(translation.ignored, ElementsAre());

  const Translation elsewhere = Translated(pod);
  EXPECT_FALSE(elsewhere.fleet.has_value());
  EXPECT_EQ(elsewhere.priority, 0);
  EXPECT_THAT(elsewhere.ignored, ElementsAre("metadata.annotations[slicelet.io/min-ready]"));
}

TEST(Annotations, RefusesABadFleetAnnotationByKeyAndValue) {
  const v1::Refusal refusal = Refused(
      With("/metadata/annotations", {{"slicelet.io/target-condition", "tags.site == 'x'"}}), {.fleet = true});
  EXPECT_EQ(refusal.reason(), "InvalidAnnotation");
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/target-condition]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"tags.site == 'x'\", column 12: "));
}

}  // namespace
}  // namespace slicelet::provider
