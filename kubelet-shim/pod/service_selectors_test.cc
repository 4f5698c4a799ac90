#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kubelet-shim/pod/testing/pod_sync_fixture.h"

namespace slicelet::shim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ServiceSelectorsTest : public PodSyncTest {
 protected:
  void MakeLabelled(const std::string& name, const Json& labels, const Json& spec = Json::object()) {
    MakePod(name, Json::object(), spec);
    Label(name, labels);
  }
  void Label(const std::string& name, const Json& labels) {
    Change(kube::kPods, name, {{"metadata", {{"labels", labels}}}});
  }
  void MakeService(const std::string& name, const Json& selector, const std::string& cluster_ip = "10.96.0.7",
                   const std::string& ns = "default") {
    Make(kube::kServices, {{"metadata", {{"name", name}, {"namespace", ns}}},
                           {"spec", {{"clusterIP", cluster_ip}, {"selector", selector}}}});
    loop_.RunReady();
  }
  void Change(const kube::Resource& kind, const std::string& name, const Json& patch) {
    const auto made =
        server_.cluster().Patch(kAdmin, {kind, "default", name, ""}, kube::PatchType::kMerge, patch);
    ASSERT_TRUE(made.ok()) << Message(made.status());
    loop_.RunReady();
  }
  /// "SERVICE: message" of every warning.
  std::vector<std::string> Warned() {
    std::vector<std::string> warned;
    for (const auto& event : server_.cluster().All(kube::kEvents)) {
      if (event->at("reason") != "EndpointsNotReachable") continue;
      EXPECT_EQ(event->at("type"), "Warning");
      EXPECT_EQ(event->at("involvedObject").at("kind"), "Service");
      warned.push_back(kube::TextAt(*event, {"involvedObject", "name"}) + ": " +
                       kube::TextAt(*event, {"message"}));
    }
    return warned;
  }
};

TEST_F(ServiceSelectorsTest, AServiceThatChoosesAPodHereIsWarnedOnce) {
  MakeLabelled("web", {{"app", "web"}, {"tier", "front"}});
  MakeService("front", {{"app", "web"}});
  EXPECT_THAT(Warned(), ElementsAre(HasSubstr("front: pod web runs on slice node edge-1: ")));
  MakeLabelled("web-2", {{"app", "web"}});
  Change(kube::kServices, "front", {{"metadata", {{"labels", {{"a", "b"}}}}}});
  EXPECT_THAT(Warned(), testing::SizeIs(1));
}

TEST_F(ServiceSelectorsTest, WhicheverComesLast) {
  MakeService("front", {{"app", "web"}}, "None");
  EXPECT_THAT(Warned(), IsEmpty());
  MakeLabelled("web", Json::object());
  EXPECT_THAT(Warned(), IsEmpty());
  Label("web", {{"app", "web"}});
  EXPECT_THAT(Warned(), ElementsAre(HasSubstr("front: pod web")));
  // A selector that is changed chooses others.
  MakeLabelled("db", {{"app", "db"}});
  MakeService("back", {{"app", "none"}});
  EXPECT_THAT(Warned(), testing::SizeIs(1));
  Change(kube::kServices, "back", {{"spec", {{"selector", {{"app", "db"}}}}}});
  EXPECT_THAT(Warned(), testing::Contains(HasSubstr("back: pod db")));
}

TEST_F(ServiceSelectorsTest, OthersAreLeftInPeace) {
  MakeLabelled("web", {{"app", "web"}});
  MakeLabelled("bare", {{"app", "bare"}}, {{"hostNetwork", true}});
  MakeService("elsewhere", {{"app", "web"}}, "10.96.0.7", "other");
  MakeService("no-selector", nullptr);
  MakeService("on-the-host", {{"app", "bare"}});
  MakeService("more", {{"app", "web"}, {"tier", "front"}});
  EXPECT_THAT(Warned(), IsEmpty());
}

}  // namespace
}  // namespace slicelet::shim
