#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct BadOrder {
  const char* value;
  const char* message;
};

class RefusedStartOrder : public ::testing::TestWithParam<BadOrder> {};
TEST_P(RefusedStartOrder, NamesKeyValueAndWhatIsWrong) {
  Json pod = SamplePod();
  pod["spec"]["containers"] =
      Json::parse(R"([{"name": "db", "image": "x:1"}, {"name": "data", "image": "x:1"},
                                              {"name": "device", "image": "x:1"}])");
  pod["spec"]["initContainers"] = Json::parse(R"([{"name": "setup", "image": "x:1"},
                                                  {"name": "broker", "image": "x:1", "restartPolicy": "Always"}])");
  pod["metadata"]["annotations"]["slicelet.io/depends-on"] = GetParam().value;
  const v1::Refusal refusal = Refused(pod);
  EXPECT_EQ(refusal.reason(), "InvalidAnnotation");
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/depends-on]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"" + std::string(GetParam().value) + "\""));
  EXPECT_THAT(refusal.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Values, RefusedStartOrder,
    ::testing::Values(
        BadOrder{"", "should be NAME=NAME[,NAME...]"}, BadOrder{"data", "\"data\" should be NAME=NAME"},
        BadOrder{"data=", "\"data=\" should be NAME=NAME"}, BadOrder{"=db", "\"=db\" should be NAME=NAME"},
        BadOrder{"data=db=device", "\"data=db=device\" should be"},
        BadOrder{"data=,db", "\"data=,db\" should be NAME=NAME"},
        BadOrder{"device=data;;data=db", "\"\" should be NAME=NAME"},
        BadOrder{"dta=db", "\"dta\" is no container of this pod, which has setup, broker, db, data, device"},
        BadOrder{"data=database", "\"database\" is no container of this pod"},
        BadOrder{"data=db; data=device", "\"data\" has two entries"},
        BadOrder{"data=data", "wait for each other: data -> data"},
        BadOrder{"db=device; device=data; data=db", "wait for each other: db -> device -> data -> db"},
        BadOrder{"device=data; data=db; db=data", "wait for each other: db -> data -> db"},
        BadOrder{"broker=db", "init container \"broker\" can not wait for \"db\", which starts after it"},
        BadOrder{"setup=broker", "init container \"setup\" can not wait for \"broker\""},
        BadOrder{"setup=setup", "wait for each other: setup -> setup"}));

TEST(StartOrder, ReadsTheStartOrder) {
  Json pod = SamplePod();
  pod["spec"]["containers"] =
      Json::parse(R"([{"name": "db", "image": "x:1"}, {"name": "data", "image": "x:1"},
                                              {"name": "device", "image": "x:1"}])");
  pod["spec"]["initContainers"] = Json::parse(R"([{"name": "setup", "image": "x:1"},
                                                  {"name": "broker", "image": "x:1", "restartPolicy": "Always"}])");
  pod["metadata"]["annotations"]["slicelet.io/depends-on"] =
      " device = data , broker,data ;\n data=db; broker=setup; ";
  const v1::Workload workload = Translated(pod).workload;
  EXPECT_THAT(workload.containers(0).depends_on(), ElementsAre());
  EXPECT_THAT(workload.containers(1).depends_on(), ElementsAre("db"));
  EXPECT_THAT(workload.containers(2).depends_on(), ElementsAre("data", "broker"));
  EXPECT_THAT(workload.init_containers(1).depends_on(), ElementsAre("setup"));
}

}  // namespace
}  // namespace slicelet::provider
