#include "edge-agent/edgex/device_provisioner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/loop/testing/sim_loop.h"
#include "edge-agent/edgex/testing/fake_edgex.h"

namespace slicelet::agent {
namespace {

using Json = nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string File(const std::string& name, const std::string& profile = "thermometer",
                 const std::string& unit = "C") {
  const Json json = {
      {"device", {{"name", name}, {"profileName", profile}, {"serviceName", "device-mqtt"}}},
      {"profile", {{"name", profile}, {"deviceResources", {{{"name", "T"}, {"units", unit}}}}}}};
  return json.dump();
}

std::vector<IotDevice> Devices(const std::vector<std::string>& files) {
  v1::FileSet set;
  for (const std::string& file : files) {
    set.add_files()->set_data(file);
    set.mutable_files()->rbegin()->set_key("file-" + std::to_string(set.files_size()));
  }
  return ReadIotDevices({set});
}

class DeviceProvisionerTest : public ::testing::Test {
 protected:
  DeviceProvisionerTest() { metadata_.services["device-mqtt"] = {{"name", "device-mqtt"}}; }

  void Start(const std::vector<std::string>& files) {
    provisioner_.SetDevices(Devices(files));
    provisioner_.SetEndpoint(kHere);
    loop_.Advance(seconds(1));
  }
  const v1::DeviceStatus& Result(std::size_t at = 0) { return provisioner_.results().at(at); }

  const EdgexClient::Endpoint kHere{"10.0.0.1", 59881};
  SimLoop loop_;
  FakeEdgex metadata_{loop_};
  int changes_ = 0;
  DeviceProvisioner provisioner_{loop_, metadata_, [this] { ++changes_; }};
};

TEST_F(DeviceProvisionerTest, AppliesProfileThenDeviceOnceCoreMetadataIsReady) {
  provisioner_.SetDevices(Devices({File("boiler")}));
  loop_.Advance(seconds(10));
  EXPECT_EQ(metadata_.requests, 0);
  EXPECT_EQ(Result().reason(), "WaitingForCoreMetadata");
  provisioner_.SetEndpoint(kHere);
  loop_.Advance(seconds(1));
  EXPECT_TRUE(Result().applied());
  EXPECT_THAT(metadata_.changes, ElementsAre("POST /api/v3/deviceprofile", "POST /api/v3/device"));
  EXPECT_EQ(metadata_.devices["boiler"]["labels"], Json::array({"slicelet.io"}));
}

TEST_F(DeviceProvisionerTest, ChangesNothingWhileAllIsAsWanted) {
  Start({File("boiler")});
  metadata_.changes.clear();
  const int told = changes_;
  loop_.Advance(minutes(10));
  EXPECT_THAT(metadata_.changes, IsEmpty());
  EXPECT_EQ(changes_, told);
  EXPECT_GT(metadata_.requests, 40) << "it looks every minute";
}

TEST_F(DeviceProvisionerTest, AWipedGatewayGetsItsDevicesBack) {
  Start({File("boiler")});
  metadata_.devices.clear();
  metadata_.profiles.clear();
  loop_.Advance(minutes(1) + seconds(1));
  EXPECT_EQ(metadata_.devices.count("boiler"), 1U);
  metadata_.devices.clear();
  provisioner_.SetEndpoint(std::nullopt);
  provisioner_.SetEndpoint(kHere);
  loop_.Advance(seconds(1));
  EXPECT_EQ(metadata_.devices.count("boiler"), 1U) << "core-metadata came back: no minute is waited";
}

TEST_F(DeviceProvisionerTest, WaitsForTheDeviceService) {
  metadata_.services.clear();
  Start({File("boiler")});
  EXPECT_EQ(Result().reason(), "WaitingForDeviceService");
  EXPECT_THAT(Result().message(), HasSubstr("device-mqtt"));
  EXPECT_THAT(metadata_.changes, IsEmpty());
  metadata_.services["device-mqtt"] = {{"name", "device-mqtt"}};
  loop_.Advance(seconds(6));
  EXPECT_TRUE(Result().applied());
  EXPECT_EQ(Result().reason(), "");
}

TEST_F(DeviceProvisionerTest, ARefusedDeviceTakesItsNewProfileAlongAndHoldsUpNobody) {
  metadata_.refuse_devices = "protocols are missing";
  Start({File("boiler")});
  EXPECT_EQ(Result().reason(), "DeviceRefused");
  EXPECT_EQ(Result().message(), "protocols are missing");
  EXPECT_THAT(metadata_.profiles, IsEmpty());
  metadata_.refuse_devices.clear();
  loop_.Advance(seconds(6));
  EXPECT_TRUE(Result().applied());
}

TEST_F(DeviceProvisionerTest, AProfileThatWasThereBeforeIsLeft) {
  metadata_.profiles["thermometer"] = Json::parse(File("x"))["profile"];
  metadata_.refuse_devices = "no";
  Start({File("boiler")});
  EXPECT_EQ(metadata_.profiles.size(), 1U);
}

TEST_F(DeviceProvisionerTest, ChangedDefinitionsAreCarriedOver) {
  Start({File("boiler")});
  metadata_.changes.clear();
  provisioner_.SetDevices(Devices({File("boiler", "thermometer", "F")}));
  loop_.Advance(seconds(1));
  EXPECT_THAT(metadata_.changes, ElementsAre("PUT /api/v3/deviceprofile"));
  Json moved = Json::parse(File("boiler", "thermometer", "F"));
  moved["device"]["adminState"] = "LOCKED";
  provisioner_.SetDevices(Devices({moved.dump()}));
  loop_.Advance(seconds(1));
  EXPECT_EQ(metadata_.devices["boiler"]["adminState"], "LOCKED");
}

TEST_F(DeviceProvisionerTest, DevicesThatAreNotWantedAnyMoreGoButOnlyOurs) {
  metadata_.devices["foreign"] = {{"name", "foreign"}, {"profileName", "other"}};
  Start({File("boiler"), File("stove"), File("lamp", "light")});
  provisioner_.SetDevices(Devices({File("boiler")}));
  loop_.Advance(seconds(1));
  EXPECT_EQ(metadata_.devices.size(), 2U);
  EXPECT_EQ(metadata_.devices.count("boiler") + metadata_.devices.count("foreign"), 2U);
  EXPECT_EQ(metadata_.profiles.count("light"), 0U);
  EXPECT_EQ(metadata_.profiles.count("thermometer"), 1U) << "boiler uses it";
  EXPECT_EQ(provisioner_.results().size(), 1U);
}

TEST_F(DeviceProvisionerTest, AnOutageOnlyDelays) {
  metadata_.down = true;
  Start({File("boiler")});
  EXPECT_FALSE(Result().applied());
  loop_.Advance(seconds(30));
  metadata_.down = false;
  loop_.Advance(seconds(6));
  EXPECT_TRUE(Result().applied());
  metadata_.down = true;
  loop_.Advance(minutes(5));
  EXPECT_TRUE(Result().applied()) << "nothing says that it is gone";
}

TEST_F(DeviceProvisionerTest, WhateverIsAnsweredEndsNothingAndIsToldInFewWords) {
  Start({File("boiler")});
  for (
      const std::string text :
      {"", "5", "[1]", "{}", R"([{"statusCode":"x","message":7}])", R"({"device":3,"profile":[]})",
       R"({"device":{"name":1,"labels":{}},"devices":[1,{"labels":["slicelet.io"],"name":5},{"labels":7}]})"}) {
    for (const int status : {200, 201, 207, 404, 500}) {
      metadata_.babble = EdgexClient::Answer{status, text};
      loop_.Advance(minutes(10));
    }
  }
  const Json verdict = Json::array({Json{{"statusCode", 400}, {"message", std::string(50'000, 'm')}}});
  metadata_.babble = EdgexClient::Answer{404, verdict.dump()};
  loop_.Advance(minutes(10));
  EXPECT_FALSE(Result().applied());
  EXPECT_LE(Result().message().size(), 2'000U);
  metadata_.babble.reset();
  loop_.Advance(minutes(10));
  EXPECT_TRUE(Result().applied());
}

/// Text that is cheap to send and whose copy needs more stack than there is.
std::string Deep() { return std::string(200'000, '[') + std::string(200'000, ']'); }

TEST_F(DeviceProvisionerTest, AnAnswerThatNestsWithoutEndEndsNothing) {
  Start({File("boiler")});
  for (const std::string& text :
       {Deep(), R"({"device":)" + Deep() + R"(,"devices":[{"labels":)" + Deep() + "}]}"}) {
    metadata_.babble = EdgexClient::Answer{200, text};
    loop_.Advance(minutes(10));
  }
  metadata_.babble.reset();
  loop_.Advance(minutes(10));
  EXPECT_TRUE(Result().applied());
}

TEST_F(DeviceProvisionerTest, AnswersToAnOlderRoundAreDropped) {
  provisioner_.SetDevices(Devices({File("boiler")}));
  provisioner_.SetEndpoint(kHere);
  provisioner_.SetDevices(Devices({File("stove")}));
  loop_.Advance(seconds(1));
  EXPECT_EQ(metadata_.devices.size(), 1U);
  EXPECT_EQ(metadata_.devices.count("stove"), 1U);
}

TEST(IotDevice, BadFilesAreNamedOneByOne) {
  const auto devices = Devices(
      {"{", R"({"device": {"name": "a"}})",
       R"({"device": {"name": "b", "serviceName": "s", "profileName": "p"}, "profile": {"name": "q"}})",
       File("good"), File("good")});
  ASSERT_EQ(devices.size(), 5U);
  // By name: a file that says none goes by its own.
  EXPECT_THAT(devices[0].error, HasSubstr("profile.name should be the device's profileName \"p\""));
  EXPECT_THAT(devices[1].error, HasSubstr("\"file-1\" is no JSON object"));
  EXPECT_THAT(devices[2].error, HasSubstr("device.serviceName is required"));
  EXPECT_EQ(devices[3].error, "");
  EXPECT_THAT(devices[4].error, HasSubstr("defined twice"));
}

TEST(IotDevice, AFileThatNestsWithoutEndIsABadOne) {
  const std::string device = R"("device":{"name":"a","serviceName":"s","profileName":"p")";
  const auto devices = Devices({"{" + device + R"(,"x":)" + Deep() + "}}",
                                "{" + device + R"(},"profile":)" + Deep() + "}", Deep(), File("good")});
  ASSERT_EQ(devices.size(), 4U);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(devices[i].error, HasSubstr("is no JSON object"));
  EXPECT_EQ(devices[3].error, "");
}

}  // namespace
}  // namespace slicelet::agent
