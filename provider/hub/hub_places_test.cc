// What is different for each host of a pod.
#include <gmock/gmock.h>

#include <utility>

#include "provider/hub/testing/fleet_fixture.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

using HubPlacesTest = FleetFixture;

TEST_F(HubPlacesTest, AHostGetsItsOwnKeysOfADividedSecretAndNoOther) {
  ConnectFleet();
  v1::ShimMessage secret;
  v1::ReferentApply& referent = *secret.mutable_referent_apply();
  referent.set_kind("Secret");
  referent.set_namespace_("ns");
  referent.set_name("keys");
  const auto say = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    referent.clear_content();
    for (const auto& [key, value] : entries) {
      auto* file = referent.mutable_content()->add_files();
      file->set_key(key);
      file->set_data(value);
    }
    Say(secret);
    Wait();
  };
  say({{"gw-1.key", "one"}, {"gw-2.key", "two"}, {"key", "nobody's"}, {"gw-22.key", "another's"}});
  kube::Json volumes = kube::Json::array({{{"name", "v"}, {"secret", {{"secretName", "keys"}}}}});
  Say(FleetApply("u1", {{"slicelet.io/per-host-secrets", "keys"}}, {{"spec", {{"volumes", volumes}}}}));
  Wait();
  EXPECT_EQ(Has("u1"), "123");
  const auto told = [&](ScriptedHost& host, const std::string& name) -> std::string {
    const v1::BlobRef& ref = host.Find("u1")->blobs(0);
    EXPECT_TRUE(ref.sealed());
    host.Fetch(ref.digest());
    Settle();
    v1::SealedBlob sealed;
    EXPECT_TRUE(sealed.ParseFromString(host.blobs[ref.digest()]));
    const auto opened =
        host.opener().Open({"hub-1", HostId(name), PodUid("u1"), ContentId("secret/keys")}, sealed);
    EXPECT_TRUE(opened.ok()) << opened.status();
    v1::FileSet files;
    EXPECT_TRUE(files.ParseFromString(opened.value_or("")));
    std::string all;
    for (const auto& file : files.files()) all += file.key() + "=" + file.data() + ";";
    return all;
  };
  EXPECT_EQ(told(host_, "gw-1"), "key=one;");
  EXPECT_EQ(told(second_, "gw-2"), "key=two;");
  EXPECT_EQ(told(third_, "gw-3"), "");

  const auto generations = [&] {
    return std::vector{hub_->GenerationOf(HostId("gw-1")), hub_->GenerationOf(HostId("gw-2")),
                       hub_->GenerationOf(HostId("gw-3"))};
  };
  const auto before = generations();
  say({{"gw-1.key", "one"}, {"gw-2.key", "changed"}});
  EXPECT_EQ(generations()[0], before[0]) << "what changed is no concern of it";
  EXPECT_GT(generations()[1], before[1]);
  EXPECT_EQ(generations()[2], before[2]);
  EXPECT_EQ(told(second_, "gw-2"), "key=changed;");
  say({{"gw-1.key", "one"}, {"gw-3.key", "three"}});
  EXPECT_EQ(told(second_, "gw-2"), "") << "its keys were taken away";
  EXPECT_EQ(told(third_, "gw-3"), "key=three;");

  // Nothing is made anew by the next hub.
  const auto last = generations();
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  ConnectShim();
  Say(secret);
  Say(FleetApply("u1", {{"slicelet.io/per-host-secrets", "keys"}}, {{"spec", {{"volumes", volumes}}}}));
  SyncFleet({"u1"});
  Wait();
  EXPECT_EQ(generations(), last);
}

TEST_F(HubPlacesTest, ASecretThatThePodDoesNotReferToIsNotDivided) {
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/per-host-secrets", "keys"}});
  ASSERT_NE(ReportOf("u1"), nullptr);
  EXPECT_THAT(ReportOf("u1")->status().refused().message(),
              HasSubstr("is \"keys\", should be names of Secrets that this pod refers to"));
}

/// "gw-1 ready, gw-2 leaving", or "?" while the hub does not know which hosts it is for.
std::string PlacesText(const Hub& hub, const std::string& uid) {
  const auto places = hub.PlacesOf("ns", "pod-", "main");
  if (!places) return "unknown";
  std::string text;
  for (const HostId& host : places->unheard) text += "unheard " + host.value() + " ";
  for (const auto& pod : places->pods) {
    if (pod.uid.value() != uid) continue;
    for (const auto& [host, place] : pod.hosts) {
      text += host.value() + (place.targeted ? "" : " leaving") + (place.ready ? " ready" : "") + ";";
    }
    if (!pod.decided) text += "?";
  }
  return text;
}

TEST_F(HubPlacesTest, APlaceIsLeftOnceTheHostSaysSo) {
  Tag("gw-1", "north");
  Tag("gw-2", "north");
  ConnectFleet();
  int told = 0;
  hub_->WatchPlaces([&] { ++told; });
  ApplyFleet("u1", Condition("tags.site = 'north'"));
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1;gw-2;");
  EXPECT_GT(std::exchange(told, 0), 0);
  Ready(host_, "u1");
  Ready(second_, "u1");
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;gw-2 ready;");
  EXPECT_GT(std::exchange(told, 0), 0);
  second_.Disconnect();
  Tag("gw-2", "south");
  loop_.Advance(minutes(10));
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;gw-2 leaving ready;") << "it may run there";
  EXPECT_TRUE(hub_->PlacesOf("ns", "other-", "main")->pods.empty());
  EXPECT_TRUE(hub_->PlacesOf("elsewhere", "pod-", "main")->pods.empty());
  told = 0;
  ConnectHost(second_);
  Gone(second_, "u1");
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;");
  EXPECT_GT(told, 0);
}

TEST_F(HubPlacesTest, AHostThatIsRevokedHasNothing) {
  ConnectFleet();
  ApplyFleet("u1");
  second_.Disconnect();
  PatchHost("gw-2", {{"revoked", true}});
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1;gw-3;");
}

TEST_F(HubPlacesTest, APodThatIsGoneFromTheApiIsStillWhereNobodyHasStoppedIt) {
  ConnectFleet();
  ApplyFleet("u1");
  third_.Disconnect();
  loop_.Advance(minutes(1));
  Stop("u1", 5);
  Gone(host_, "u1");
  Gone(second_, "u1");
  ASSERT_TRUE(ToldGone("u1"));
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-3 leaving;?");
  RestartHub();
  ConnectHost(host_);
  ConnectHost(second_);
  ConnectShim();
  SyncFleet({});
  EXPECT_EQ(PlacesText(*hub_, "u1"), "unheard gw-3 gw-3 leaving;?");
  ConnectHost(third_);
  Gone(third_, "u1");
  EXPECT_EQ(PlacesText(*hub_, "u1"), "");
}

TEST_F(HubPlacesTest, NothingIsDecidedBeforeTheListIsThere) {
  ConnectFleet();
  ApplyFleet("u1");
  Ready(host_, "u1");
  loop_.Advance(seconds(10));
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) ConnectHost(*host);
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;gw-2;gw-3;?");
  ConnectShim();
  Say(FleetApply("u1"));
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;gw-2;gw-3;?");
  SyncFleet({"u1"});
  Wait();
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-1 ready;gw-2;gw-3;");
}

TEST_F(HubPlacesTest, AChosenHostIsDecidedOnceThereIsOne) {
  ConnectFleet();
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->Disconnect();
  loop_.Advance(minutes(1));
  ApplyFleet("u1", {{"slicelet.io/placement", "worst-fit"}});
  EXPECT_EQ(PlacesText(*hub_, "u1"), "?");
  ConnectHost(second_);
  Wait();
  EXPECT_EQ(PlacesText(*hub_, "u1"), "gw-2;");
}

}  // namespace
}  // namespace slicelet::provider
