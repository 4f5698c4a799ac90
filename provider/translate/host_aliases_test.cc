#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(HostAliases, HostAliasesOfTheAnnotationFollowThoseOfTheSpec) {
  Json pod = With("/spec/hostAliases", Json::parse(R"([{"ip": "10.0.0.1", "hostnames": ["a"]}])"));
  pod["metadata"]["annotations"]["slicelet.io/host-aliases"] = "10.0.0.7 = iot , iot.north";
  const v1::Workload workload = Translated(pod).workload;
  ASSERT_EQ(workload.host_aliases_size(), 2);
  EXPECT_EQ(workload.host_aliases(0).ip(), "10.0.0.1");
  EXPECT_EQ(workload.host_aliases(1).ip(), "10.0.0.7");
  EXPECT_THAT(workload.host_aliases(1).hostnames(), ElementsAre("iot", "iot.north"));
  for (const char* bad : {"10.0.0.7", "10.0.0.7=", "=iot", "iot=10.0.0.7", "10.0.0.7=iot;10.0.0.8",
                          "10.0.0.7=iot,,two", "10.0.0.7=i ot", "10.0.0.7=iot\n10.0.0.8=two"}) {
    pod["metadata"]["annotations"]["slicelet.io/host-aliases"] = bad;
    const v1::Refusal refusal = Refused(pod);
    EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/host-aliases]") << bad;
    EXPECT_EQ(refusal.reason(), "InvalidAnnotation") << bad;
  }
  pod["metadata"]["annotations"]["slicelet.io/host-aliases"] = "";
  EXPECT_EQ(Translated(pod).workload.host_aliases_size(), 1);
  std::string many;
  for (int i = 0; i < 256; ++i) many += "10.0.0.1=a" + std::to_string(i) + ";";
  pod["metadata"]["annotations"]["slicelet.io/host-aliases"] = many;
  EXPECT_EQ(Translated(pod).workload.host_aliases_size(), 257);
  pod["metadata"]["annotations"]["slicelet.io/host-aliases"] = many + "10.0.0.1=b";
  EXPECT_THAT(Refused(pod).message(), HasSubstr("more than 256 addresses"));
}

}  // namespace
}  // namespace slicelet::provider
