#include "kubelet-shim/shim/shim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"
#include "kube/testing/silent_kube_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

/// Every node's credential from one API server; an endpoint per node.
class FakeIdentity : public NodeIdentity {
 public:
  FakeIdentity(Loop& loop, kube::MemoryApiServer& server) : loop_(loop), server_(server) {}

  void ApiFor(const std::string& node, Callback<std::shared_ptr<kube::KubeApi>> done) override {
    loop_.Post([this, node, done = std::move(done)] {
      if (failures > 0) {
        --failures;
        return done(absl::UnavailableError("certificate not signed yet"));
      }
      done(std::shared_ptr<kube::KubeApi>(server_.ApiAs("system:node:" + node)));
    });
  }
  void EndpointFor(const std::string&, Callback<Endpoint> done) override {
    loop_.Post([done = std::move(done)] { done(Endpoint{"127.0.0.1", 10'250}); });
  }
  void Retire(const std::string& node) override { retired.push_back(node); }

  int failures = 0;
  std::vector<std::string> retired;

 private:
  Loop& loop_;
  kube::MemoryApiServer& server_;
};

/// The other end: answers Hello, declares nodes, notes what it hears.
class FakeProvider {
 public:
  using Pipe = MessagePipe<v1::ProviderMessage, v1::ShimMessage>;

  explicit FakeProvider(LocalLink<v1::ShimMessage, v1::ProviderMessage>& link)
      : acceptor_(link.MakeAcceptor()) {
    acceptor_->Start([this](std::unique_ptr<Pipe> pipe, const std::string&) {
      pipe_ = std::move(pipe);
      return Pipe::Handler{[this](const v1::ShimMessage& message) { OnMessage(message); },
                           [this](const absl::Status&) { heard.emplace_back("closed"); }};
    });
  }

  void Declare(const std::string& node) {
    v1::ProviderMessage message;
    message.mutable_node_declare()->set_name(node);
    message.mutable_node_declare()->set_host(node);
    pipe_->Send(message);
  }
  void Retire(const std::string& node) {
    v1::ProviderMessage message;
    message.mutable_node_retire()->set_name(node);
    pipe_->Send(message);
  }
  void Send(const v1::ProviderMessage& message) { pipe_->Send(message); }
  void Drop() { pipe_.reset(); }

  std::vector<std::string> declared;
  /// By uid; each PodApply is answered with the pod's.
  std::map<std::string, v1::PodReport> reports;
  std::vector<std::string> heard;
  std::uint64_t least_incarnation = 0;
  bool tells_highest = false;
  std::uint64_t incarnation = 0;

 private:
  void OnMessage(const v1::ShimMessage& message) {
    switch (message.message_case()) {
      case v1::ShimMessage::kHello: {
        incarnation = message.hello().incarnation();
        heard.emplace_back("hello");
        v1::ProviderMessage ack;
        ack.mutable_hello_ack()->set_hub_id("hub-1");
        ack.mutable_hello_ack()->set_refused(incarnation < least_incarnation);
        if (tells_highest && incarnation < least_incarnation) {
          ack.mutable_hello_ack()->set_highest_incarnation(least_incarnation - 1);
        }
        pipe_->Send(ack);
        if (incarnation < least_incarnation) return;
        for (const auto& node : declared) Declare(node);
        v1::ProviderMessage synced;
        synced.mutable_nodes_synced();
        pipe_->Send(synced);
        break;
      }
      case v1::ShimMessage::kReferentApply:
        heard.push_back("referent " + message.referent_apply().name());
        break;
      case v1::ShimMessage::kPodApply:
        heard.push_back("apply " + kube::NameOf(Json::parse(message.pod_apply().pod())) + " on " +
                        message.pod_apply().node());
        Answer(kube::UidOf(Json::parse(message.pod_apply().pod())));
        break;
      case v1::ShimMessage::kPodStop:
        heard.emplace_back("stop");
        break;
      case v1::ShimMessage::kPodForget:
        heard.emplace_back("forget");
        break;
      case v1::ShimMessage::kSynced:
        heard.push_back("synced " + message.synced().node());
        break;
      case v1::ShimMessage::kReferentDelete:
        heard.push_back("drop " + message.referent_delete().name());
        break;
      case v1::ShimMessage::kNodeRetired:
        heard.push_back("retired " + message.node_retired().name());
        break;
      default:
        break;
    }
  }

  void Answer(const std::string& uid) {
    const auto report = reports.find(uid);
    if (report == reports.end()) return;
    v1::ProviderMessage message;
    *message.mutable_pod_report() = report->second;
    pipe_->Send(message);
  }

  std::unique_ptr<Acceptor<v1::ProviderMessage, v1::ShimMessage>> acceptor_;
  std::unique_ptr<Pipe> pipe_;
};

class ShimTest : public testing::Test {
 protected:
  ShimTest() {
    Make(kube::kServices, Json::parse(R"({"metadata": {"name": "kubernetes", "namespace": "default"},
      "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}})"));
    Make(kube::kNamespaces, {{"metadata", {{"name", "slicelet"}}}});
    provider_.declared = {"edge-1"};
  }

  std::unique_ptr<Shim> MakeShim(const std::string& id, std::uint64_t standalone = 0) {
    connectors_.push_back(link_.MakeConnector(id));
    Shim::Options options;
    options.shim_id = id;
    options.hub_id = "hub-1";
    options.standalone_incarnation = standalone;
    return std::make_unique<Shim>(
        options, Shim::Dependencies{loop_, clock_, random_, *controller_, identity_, *connectors_.back()});
  }

  Json Make(const kube::Resource& resource, const Json& object) {
    auto made = server_.cluster().Create("admin", {resource, kube::NamespaceOf(object), "", ""}, object);
    EXPECT_TRUE(made.ok()) << Message(made.status());
    return made.ok() ? *made : Json();
  }
  std::string MakePod(const std::string& name, const std::string& node = "edge-1",
                      const Json& app = Json::object()) {
    Json container = {{"name", "app"}, {"image", "i"}};
    container.update(app);
    return kube::UidOf(Make(kube::kPods, {{"metadata", {{"name", name}, {"namespace", "default"}}},
                                          // Tolerates everything for ever, so that nobody corrects it.
                                          {"spec",
                                           {{"nodeName", node},
                                            {"tolerations", Json::array({{{"operator", "Exists"}}})},
                                            {"containers", Json::array({container})}}}}));
  }
  std::vector<std::string> Take(Duration wait = seconds(1)) {
    loop_.Advance(wait);
    return std::exchange(provider_.heard, {});
  }
  Json Pod(const std::string& name) {
    const auto pod = server_.cluster().Peek(kube::kPods, "default", name);
    return pod ? *pod : Json();
  }
  void Report(const std::string& uid, v1::Phase phase, const std::string& node = "edge-1") {
    v1::ProviderMessage message;
    v1::PodReport& report = *message.mutable_pod_report();
    report.set_uid(uid);
    report.set_node(node);
    report.mutable_status()->set_phase(phase);
    auto& container = *report.mutable_status()->add_containers();
    container.set_name("app");
    container.set_container_id("containerd://1");
    container.mutable_state()->mutable_running()->set_started_at(1);
    provider_.reports[uid] = report;
    provider_.Send(message);
    loop_.RunReady();
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::unique_ptr<kube::KubeApi> controller_ = server_.ApiAs("controller");
  FakeIdentity identity_{loop_, server_};
  LocalLink<v1::ShimMessage, v1::ProviderMessage> link_{loop_, random_};
  FakeProvider provider_{link_};
  std::vector<std::unique_ptr<Shim::ProviderConnector>> connectors_;
};

TEST_F(ShimTest, TellsThePodsOfDeclaredNodes) {
  MakePod("web");
  MakePod("elsewhere", "other");
  const auto shim = MakeShim("a");
  shim->Start();
  EXPECT_THAT(Take(), ElementsAre("hello", "apply web on edge-1", "synced edge-1"));
  EXPECT_TRUE(shim->leading());
  EXPECT_THAT(shim->Nodes(), ElementsAre("edge-1"));
  EXPECT_NE(server_.cluster().Peek(kube::kNodes, "", "edge-1"), nullptr);
}

TEST_F(ShimTest, LeavesTheNodesOfOthersAlone) {
  Make(kube::kNodes, {{"metadata", {{"name", "edge-1"}}}});
  MakePod("web");
  const auto shim = MakeShim("a");
  shim->Start();
  EXPECT_THAT(Take(seconds(60)), ElementsAre("hello"));
}

TEST_F(ShimTest, WhatWasReportedWhileANodeWasSomebodyElsesIsShownOnceItIsBack) {
  const auto uid = MakePod("web");
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  Report(uid, v1::PHASE_RUNNING);
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running");
  const auto label = [this](const Json& hub) {
    ASSERT_TRUE(server_.cluster()
                    .Patch("admin", {kube::kNodes, "", "edge-1", ""}, kube::PatchType::kMerge,
                           {{"metadata", {{"labels", {{"slicelet.io/hub", hub}}}}}})
                    .ok());
  };
  label(nullptr);
  Take();
  Report(uid, v1::PHASE_FAILED);
  EXPECT_EQ(Pod("web")["status"]["phase"], "Running") << "not ours";
  label("hub-1");
  EXPECT_THAT(Take(), ElementsAre("apply web on edge-1", "synced edge-1"));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Failed");
}

TEST_F(ShimTest, AProviderThatComesBackGetsEverythingAgain) {
  Make(kube::kConfigMaps,
       Json::parse(R"({"metadata": {"name": "c", "namespace": "default"}, "data": {"A": "1"}})"));
  MakePod("web", "edge-1", Json::parse(R"({"envFrom": [{"configMapRef": {"name": "c"}}]})"));
  const auto shim = MakeShim("a");
  shim->Start();
  EXPECT_THAT(Take(), ElementsAre("hello", "referent c", "apply web on edge-1", "synced edge-1"));
  provider_.Drop();
  EXPECT_THAT(Take(), ElementsAre("hello", "referent c", "apply web on edge-1", "synced edge-1"));
}

TEST_F(ShimTest, AHelloAckThatComesWithItsTimeoutIsTooLate) {
  link_.SetFaults({.min_delay = seconds(15), .max_delay = seconds(15)});
  const auto shim = MakeShim("a", 12);
  shim->Start();
  EXPECT_THAT(Take(seconds(30)), ElementsAre("hello", "closed"));
  link_.SetFaults({});
  EXPECT_THAT(Take(seconds(30)), Contains("synced edge-1"));
}

TEST_F(ShimTest, WhileTheProviderIsAwayNobodyKnowsOfTheLink) {
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  const auto report = [this] {
    v1::ProviderMessage message;
    v1::NodeReport& node = *message.mutable_node_report();
    node.set_name("edge-1");
    node.mutable_facts()->set_cpu_milli(1'000);
    node.mutable_link()->set_status(true);
    provider_.Send(message);
    Take();
  };
  const auto status = [this](const std::string& type) {
    const auto node = server_.cluster().Peek(kube::kNodes, "", "edge-1");
    for (const Json& condition : node->at("status").at("conditions")) {
      if (condition.at("type") == type) return condition.at("status").get<std::string>();
    }
    return std::string();
  };
  report();
  EXPECT_EQ(status("slicelet.io/LinkReady"), "True");
  link_.SetRefused("a", true);
  provider_.Drop();
  Take(seconds(70));
  EXPECT_EQ(status("slicelet.io/LinkReady"), "Unknown");
  EXPECT_EQ(status("Ready"), "True");
  link_.SetRefused("a", false);
  EXPECT_THAT(Take(seconds(20)), Contains("synced edge-1"));
  report();
  EXPECT_EQ(status("slicelet.io/LinkReady"), "True");
}

TEST_F(ShimTest, ANodeWithoutACredentialIsAskedForAgain) {
  identity_.failures = 3;
  const auto shim = MakeShim("a");
  shim->Start();
  EXPECT_THAT(Take(seconds(30)), Contains("synced edge-1"));
}

TEST_F(ShimTest, ARetiredNodeIsLetGo) {
  provider_.declared = {"edge-1", "edge-2"};
  MakePod("web", "edge-2");
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  provider_.Retire("edge-1");
  EXPECT_THAT(Take(), ElementsAre("retired edge-1"));
  EXPECT_THAT(shim->Nodes(), ElementsAre("edge-2"));
  EXPECT_THAT(identity_.retired, ElementsAre("edge-1"));
  // The other node still learns of Services.
  MakePod("late", "edge-2");
  EXPECT_THAT(Take(), ElementsAre("apply late on edge-2"));
  EXPECT_EQ(server_.cluster().Peek(kube::kNodes, "", "edge-1"), nullptr);
  EXPECT_NE(server_.cluster().Peek(kube::kNodes, "", "edge-2"), nullptr);
  // A provider that did not hear the answer asks again.
  provider_.Retire("edge-1");
  EXPECT_THAT(Take(), ElementsAre("retired edge-1"));
}

TEST_F(ShimTest, OnceANodeIsRetiredOneOtherListsTheServices) {
  provider_.declared = {"edge-1", "edge-2", "edge-3", "edge-4"};
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  int lists = 0;
  server_.faults().before = [&lists](const kube::KubeCall& call) {
    if (call.verb == kube::Verb::kList && call.ref.resource == kube::kServices) ++lists;
    return absl::OkStatus();
  };
  provider_.Retire("edge-1");
  Take();
  EXPECT_EQ(lists, 1);
}

TEST_F(ShimTest, ANodeThatIsDeclaredAgainWhileItsObjectCanNotBeRemovedStays) {
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  server_.faults().before = [](const kube::KubeCall& call) {
    return call.verb == kube::Verb::kDelete ? absl::UnavailableError("down") : absl::OkStatus();
  };
  provider_.Retire("edge-1");
  EXPECT_THAT(Take(), IsEmpty());
  provider_.Declare("edge-1");
  Take();
  server_.faults().before = nullptr;
  EXPECT_THAT(Take(seconds(120)), Not(Contains("retired edge-1")));
  EXPECT_NE(server_.cluster().Peek(kube::kNodes, "", "edge-1"), nullptr);
}

TEST_F(ShimTest, TheLeaseDoesNotWaitBehindOtherCalls) {
  // Of a thousand nodes, or of strangers whose tokens are asked about.
  kube::SilentKubeApi others;
  connectors_.push_back(link_.MakeConnector("a"));
  Shim::Options options;
  options.shim_id = "a";
  options.hub_id = "hub-1";
  Shim shim(options, Shim::Dependencies{.loop = loop_,
                                        .clock = clock_,
                                        .random = random_,
                                        .controller = others,
                                        .identity = identity_,
                                        .provider = *connectors_.back(),
                                        .lease = controller_.get()});
  shim.Start();
  loop_.Advance(seconds(60));
  EXPECT_TRUE(shim.leading());
}

TEST_F(ShimTest, OfTwoShimsOneLeadsAndTheOtherTakesOver) {
  auto first = MakeShim("a");
  const auto second = MakeShim("b");
  first->Start();
  loop_.Advance(seconds(1));
  second->Start();
  Take(seconds(30));
  EXPECT_TRUE(first->leading());
  EXPECT_FALSE(second->leading());
  const auto incarnation = provider_.incarnation;

  bool stopped = false;
  first->Stop([&stopped] { stopped = true; });
  loop_.Advance(seconds(15));
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(second->leading());
  EXPECT_GT(provider_.incarnation, incarnation);
}

TEST_F(ShimTest, AShimThatLosesItsLeaseStopsWritingAtOnce) {
  const auto uid = MakePod("web");
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  server_.faults().before = [](const kube::KubeCall& call) {
    return call.user == "controller" ? absl::UnavailableError("cut off") : absl::OkStatus();
  };
  loop_.Advance(seconds(15));
  EXPECT_FALSE(shim->leading());
  EXPECT_THAT(Take(), ElementsAre("closed"));
  EXPECT_EQ(Pod("web")["status"]["phase"], "Pending");
  server_.faults().before = nullptr;
  EXPECT_THAT(Take(seconds(60)), ElementsAre("hello", "apply web on edge-1", "synced edge-1"));
}

TEST_F(ShimTest, ARefusedShimLeadsAgainWithAHigherIncarnation) {
  provider_.least_incarnation = 3;
  const auto shim = MakeShim("a");
  shim->Start();
  Take(seconds(300));
  EXPECT_TRUE(shim->leading());
  EXPECT_EQ(provider_.incarnation, 3u);
}

TEST_F(ShimTest, AShimOfARestoredClusterRaisesItsLeaseAboveWhatTheProviderKnows) {
  provider_.least_incarnation = 1'000;
  provider_.tells_highest = true;
  const auto shim = MakeShim("a");
  shim->Start();
  Take(seconds(10));
  EXPECT_TRUE(shim->leading());
  EXPECT_EQ(provider_.incarnation, 1'000u);
}

TEST_F(ShimTest, StandaloneNeedsNoLease) {
  const auto shim = MakeShim("a", 12);
  shim->Start();
  EXPECT_THAT(Take(), Contains("synced edge-1"));
  EXPECT_EQ(provider_.incarnation, 12u);
}

TEST_F(ShimTest, AnswersTheKubeletApi) {
  const auto uid = MakePod("web");
  const auto shim = MakeShim("a");
  shim->Start();
  Take();
  EXPECT_EQ(shim->Pods("edge-1").size(), 1u);
  EXPECT_THAT(shim->Pods("none"), IsEmpty());
  EXPECT_THAT(shim->RunningPods("edge-1"), IsEmpty());
  Report(uid, v1::PHASE_RUNNING);
  EXPECT_EQ(shim->RunningPods("edge-1").size(), 1u);
  EXPECT_EQ(shim->FindContainer("edge-1", "default", "web", "", "app").value(), uid);
  EXPECT_EQ(shim->FindContainer("edge-1", "default", "web", uid, "").value(), uid);
  EXPECT_EQ(Message(shim->FindContainer("edge-1", "default", "web", "", "x").status()),
            "container \"x\" not found in pod \"default/web\"");
  EXPECT_TRUE(absl::IsNotFound(shim->FindContainer("edge-1", "default", "web", "u-2", "app").status()));

  ASSERT_TRUE(server_.cluster().Delete("admin", {kube::kPods, "default", "web", ""}, {}).ok());
  loop_.RunReady();
  EXPECT_THAT(shim->RunningPods("edge-1"), IsEmpty());
  EXPECT_EQ(shim->Pods("edge-1").size(), 1u);
}

}  // namespace
}  // namespace slicelet::shim
