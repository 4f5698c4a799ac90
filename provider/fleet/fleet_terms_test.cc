#include "provider/fleet/fleet_terms.h"

#include <gtest/gtest.h>

#include <ostream>

namespace slicelet::provider {
namespace {

using Annotations = std::map<std::string, std::string>;

FleetTerms Good(const Annotations& annotations) {
  FleetTerms terms;
  const auto errors = ReadFleetTerms(annotations, terms);
  EXPECT_TRUE(errors.empty()) << errors.front().key << " " << errors.front().message;
  return terms;
}

TEST(FleetTerms, WithoutAnnotationsEveryHostIsMeant) {
  const FleetTerms terms = Good({{"somebody/else", "x"}, {"targetCondition", "ignored without"}});
  EXPECT_EQ(terms.condition.text(), "*");
  EXPECT_EQ(terms.placement, FleetTerms::Placement::kAll);
  EXPECT_TRUE(terms.layered);
  EXPECT_FALSE(terms.priority.has_value());
  EXPECT_TRUE(Good({{"slicelet.io/target-condition", " "}}).condition.Matches({})) << "empty under our key";
}

TEST(FleetTerms, ReadsWhatIsSaid) {
  const FleetTerms terms = Good({{"slicelet.io/target-condition", "tags.site = 'north'"},
                                 {"slicelet.io/placement", "worst-fit"},
                                 {"slicelet.io/hosts", "3"},
                                 {"slicelet.io/min-ready", "50%"},
                                 {"slicelet.io/layered", "false"},
                                 {"slicelet.io/logs", "all"}});
  EXPECT_EQ(terms.condition.text(), "tags.site = 'north'");
  EXPECT_EQ(terms.placement, FleetTerms::Placement::kWorstFit);
  EXPECT_EQ(terms.hosts, 3);
  EXPECT_EQ(terms.min_ready.percent, 50);
  EXPECT_TRUE(terms.all_logs);
  EXPECT_FALSE(Good({{"slicelet.io/logs", "one"}}).all_logs);
  EXPECT_FALSE(terms.layered);
}

TEST(FleetTerms, ReadsTheConnectorsKeys) {
  const FleetTerms terms = Good({{"isEdgeDeployment", "true"},
                                 {"targetCondition", "tags.building='b43'"},
                                 {"priority", "15"},
                                 {"loggingOptions", ""}});
  EXPECT_TRUE(terms.azure);
  EXPECT_FALSE(terms.layered) << "a whole deployment, as in IoT Edge";
  EXPECT_EQ(terms.priority, 15);
  EXPECT_EQ(terms.condition.text(), "tags.building='b43'");
  const FleetTerms empty = Good({{"isEdgeDeployment", "true"}, {"targetCondition", ""}});
  EXPECT_FALSE(empty.condition.Matches({.host = "gw-1"})) << "empty under the connector's key";
  EXPECT_EQ(empty.priority, 10);
}

TEST(FleetTerms, ChangesAreToldByWhatWasRead) {
  EXPECT_EQ(Good({{"a", "b"}}), Good({}));
  EXPECT_FALSE(Good({{"slicelet.io/min-ready", "1"}}) == Good({}));
}

TEST(FleetTerms, TrafficMostHasTwoOtherNames) {
  for (const char* name : {"traffic-most", "most-traffic", "most_traffic"})
    EXPECT_EQ(Good({{"slicelet.io/placement", name}}).placement, FleetTerms::Placement::kTrafficMost) << name;
}

struct BadCase {
  Annotations annotations;
  std::string key;
  std::string message;
  friend std::ostream& operator<<(std::ostream& out, const BadCase& one) {
    return out << one.key << " " << one.message;
  }
};

class BadAnnotation : public testing::TestWithParam<BadCase> {};

TEST_P(BadAnnotation, NamesKeyAndValue) {
  FleetTerms terms;
  const auto errors = ReadFleetTerms(GetParam().annotations, terms);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].key, GetParam().key);
  EXPECT_EQ(errors[0].message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadAnnotation,
    testing::Values(
        BadCase{{{"slicelet.io/target-condition", "tags.a"}},
                "slicelet.io/target-condition",
                "is \"tags.a\", column 7: the end where a comparison (= != < <= > >= or IN) should be"},
        BadCase{{{"slicelet.io/target-condition", std::string(5'000, 'x')}},
                "slicelet.io/target-condition",
                "is \"" + std::string(200, 'x') + "[...]\", column 4097: longer than 4096 bytes"},
        BadCase{{{"slicelet.io/placement", "best"}},
                "slicelet.io/placement",
                "is \"best\", should be all, worst-fit, best-fit or traffic-most"},
        BadCase{
            {{"slicelet.io/placement", std::string(10'000, 'x')}},
            "slicelet.io/placement",
            "is \"" + std::string(200, 'x') + "[...]\", should be all, worst-fit, best-fit or traffic-most"},
        BadCase{{{"slicelet.io/placement", "best-fit"}, {"slicelet.io/hosts", "0"}},
                "slicelet.io/hosts",
                "is \"0\", should be a whole number from 1 to 10000"},
        BadCase{{{"slicelet.io/placement", "best-fit"}, {"slicelet.io/hosts", "two"}},
                "slicelet.io/hosts",
                "is \"two\", should be a whole number from 1 to 10000"},
        BadCase{{{"slicelet.io/hosts", "2"}},
                "slicelet.io/hosts",
                "is \"2\", and needs slicelet.io/placement to be worst-fit, best-fit or traffic-most"},
        BadCase{
            {{"slicelet.io/min-ready", "101%"}},
            "slicelet.io/min-ready",
            "is \"101%\", should be a whole number from 1, or a percentage from 1% to 100% of the targeted "
            "hosts"},
        BadCase{{{"slicelet.io/min-ready", ""}},
                "slicelet.io/min-ready",
                "is \"\", should be a whole number from 1, or a percentage from 1% to 100% of the targeted "
                "hosts"},
        BadCase{{{"slicelet.io/min-ready", "0"}},
                "slicelet.io/min-ready",
                "is \"0\", should be a whole number from 1, or a percentage from 1% to 100% of the targeted "
                "hosts"},
        BadCase{{{"slicelet.io/layered", "no"}},
                "slicelet.io/layered",
                "is \"no\", should be \"true\" or \"false\""},
        BadCase{{{"slicelet.io/logs", "ALL"}}, "slicelet.io/logs", "is \"ALL\", should be one or all"},
        BadCase{
            {{"isEdgeDeployment", "yes"}}, "isEdgeDeployment", "is \"yes\", should be \"true\" or \"false\""},
        BadCase{{{"isEdgeDeployment", "true"}},
                "targetCondition",
                "is required where isEdgeDeployment is \"true\""},
        BadCase{{{"isEdgeDeployment", "true"}, {"targetCondition", "tags."}},
                "targetCondition",
                "is \"tags.\", column 1: \"tags.\" has an empty part between dots"},
        BadCase{{{"isEdgeDeployment", "true"}, {"targetCondition", "*"}, {"priority", "high"}},
                "priority",
                "is \"high\", should be a whole number of 32 bits"},
        BadCase{{{"isEdgeDeployment", "true"}, {"targetCondition", "*"}, {"priority", "2147483648"}},
                "priority",
                "is \"2147483648\", should be a whole number of 32 bits"},
        BadCase{{{"isEdgeDeployment", "true"}, {"targetCondition", "*"}, {"priority", ""}},
                "priority",
                "is \"\", should be a whole number of 32 bits"},
        BadCase{{{"slicelet.io/placement", "worst-fit"}, {"slicelet.io/hosts", "10001"}},
                "slicelet.io/hosts",
                "is \"10001\", should be a whole number from 1 to 10000"},
        BadCase{{{"slicelet.io/placement", ""}},
                "slicelet.io/placement",
                "is \"\", should be all, worst-fit, best-fit or traffic-most"},
        BadCase{
            {{"isEdgeDeployment", "true"}, {"targetCondition", "*"}, {"slicelet.io/target-condition", "*"}},
            "slicelet.io/target-condition",
            "is \"*\", and isEdgeDeployment is \"true\": use targetCondition, or leave that out"}));

TEST(MinReady, CountsWhatIsAskedFor) {
  const MinReady all;
  EXPECT_TRUE(all.Met(2, 2, 3));
  EXPECT_FALSE(all.Met(1, 2, 3));
  EXPECT_FALSE(all.Met(0, 0, 3)) << "at least one";
  const MinReady two{.number = 2};
  EXPECT_TRUE(two.Met(2, 3, 3));
  EXPECT_FALSE(two.Met(1, 1, 3));
  const MinReady half{.percent = 50};
  EXPECT_TRUE(half.Met(2, 3, 3));
  EXPECT_FALSE(half.Met(1, 3, 3)) << "rounded up";
  EXPECT_FALSE(half.Met(0, 0, 0));
}

}  // namespace
}  // namespace slicelet::provider
