#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "provider/translate/testing/sample_pod.h"

namespace slicelet::provider {
namespace {

using ::testing::HasSubstr;

TEST(Roles, AGatewaysBlobHoldsItsWorkloadAndItsDevices) {
  Json pod = With("/metadata/labels", {{"slicelet.io/role", "gateway"}});
  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = "sensors";
  pod["spec"]["volumes"] = Json::parse(R"([{"name": "sensors", "configMap": {"name": "my-sensors"}}])");
  const Translation defaults = Translated(pod);
  EXPECT_EQ(defaults.gateway.core_metadata_port(), 59881);
  EXPECT_EQ(defaults.gateway.core_data_port(), 0) << "it has none";
  pod["spec"]["containers"][0]["name"] = "core-metadata";
  pod["spec"]["containers"][0]["ports"] = Json::parse(R"([{"containerPort": 4711}])");
  v1::GatewayDeployment gateway;
  ASSERT_TRUE(gateway.ParseFromString(SerializeDeployment(Translated(pod))));
  EXPECT_EQ(gateway.core_metadata_port(), 4711);
  pod["spec"]["containers"][0]["name"] = "core-data";
  EXPECT_EQ(Translated(pod).gateway.core_data_port(), 4711);
  pod["spec"]["containers"][0].erase("ports");
  EXPECT_EQ(Translated(pod).gateway.core_data_port(), 59880);
  EXPECT_EQ(gateway.devices_volume(), "sensors");
  EXPECT_EQ(gateway.workload().uid(), "u-1");
  EXPECT_EQ(ParseDeployment(v1::ROLE_GATEWAY, gateway.SerializeAsString())->uid(), "u-1");

  pod["metadata"]["annotations"]["slicelet.io/iot-devices"] = "sensor";
  const v1::Refusal refusal = Refused(pod);
  EXPECT_EQ(refusal.field(), "metadata.annotations[slicelet.io/iot-devices]");
  EXPECT_THAT(refusal.message(), HasSubstr("is \"sensor\""));
}

TEST(Roles, AServersBlobHoldsItsEndpoints) {
  Json pod = With("/metadata/labels", {{"slicelet.io/role", "server"}});
  pod["spec"]["containers"][0]["ports"] =
      Json::parse(R"([{"name": "mqtt", "containerPort": 1883, "hostPort": 18830}, {"containerPort": 9}])");
  v1::ServerDeployment server;
  ASSERT_TRUE(server.ParseFromString(SerializeDeployment(Translated(pod))));
  ASSERT_EQ(server.endpoints_size(), 1);
  EXPECT_EQ(server.endpoints(0).name(), "mqtt");
  EXPECT_EQ(server.endpoints(0).container(), "main");
  EXPECT_EQ(server.endpoints(0).port(), 1883);
  EXPECT_EQ(server.endpoints(0).host_port(), 18830);
  EXPECT_EQ(ParseDeployment(v1::ROLE_SERVER, server.SerializeAsString())->uid(), "u-1");
}

}  // namespace
}  // namespace slicelet::provider
