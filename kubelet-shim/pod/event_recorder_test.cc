#include "kubelet-shim/pod/event_recorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/forwarding_kube_api.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

/// Notes when an Event is asked for while another is under way, and can lose the answers to what it has made.
class WatchedApi : public kube::ForwardingKubeApi {
 public:
  using ForwardingKubeApi::ForwardingKubeApi;
  void Create(const kube::ObjectRef& ref, const kube::Json& object, Callback<kube::Json> done) override {
    most = std::max(most, ++under_way);
    ForwardingKubeApi::Create(ref, object, [this, done = std::move(done)](absl::StatusOr<kube::Json> result) {
      --under_way;
      if (lost_answers > 0 && lost_answers-- > 0) result = absl::UnavailableError("connection reset");
      done(std::move(result));
    });
  }
  int under_way = 0;
  int most = 0;
  int lost_answers = 0;
};

class EventRecorderTest : public testing::Test {
 protected:
  std::vector<kube::StoredObject> Events() {
    loop_.RunReady();
    return server_.cluster().All(kube::kEvents);
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::shared_ptr<WatchedApi> api_ = std::make_shared<WatchedApi>(server_.ApiAs("system:node:edge-1"));
  EventRecorder recorder_{loop_, clock_, random_, api_, "edge-1"};
  const EventSubject pod_{.ns = "default", .name = "web", .uid = "u-1", .field_path = "spec.containers{app}"};
};

TEST_F(EventRecorderTest, AnEventNamesItsObjectAndSource) {
  recorder_.Record(pod_, false, "Pulled", "image present");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  const kube::Json& event = *events[0];
  EXPECT_EQ(event["involvedObject"]["uid"], "u-1");
  EXPECT_EQ(event["involvedObject"]["fieldPath"], "spec.containers{app}");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["count"], 1);
  EXPECT_EQ(event["source"]["host"], "edge-1");
}

TEST_F(EventRecorderTest, RepeatsCountOnTheSameEvent) {
  for (int i = 0; i < 5; ++i) recorder_.Record(pod_, true, "BackOff", "restarting");
  recorder_.Record(pod_, true, "BackOff", "pulling");
  const auto events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ((*events[0])["count"].get<int>() + (*events[1])["count"].get<int>(), 6);
}

TEST_F(EventRecorderTest, AForgottenEventBeginsAnew) {
  recorder_.Record(pod_, true, "BackOff", "restarting");
  const std::string name = (*Events()[0])["metadata"]["name"];
  ASSERT_TRUE(server_.cluster().Delete("admin", {kube::kEvents, "default", name, ""}, {}).ok());
  recorder_.Record(pod_, true, "BackOff", "restarting");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_NE((*events[0])["metadata"]["name"], name);
  EXPECT_EQ((*events[0])["count"], 1);
}

TEST_F(EventRecorderTest, OneIsWrittenAfterTheOther) {
  for (int i = 0; i < 10; ++i) recorder_.Record(pod_, false, "Pulled", "image " + std::to_string(i));
  EXPECT_EQ(Events().size(), 10u);
  EXPECT_EQ(api_->most, 1);
}

TEST_F(EventRecorderTest, AnApiServerThatIsAwayGetsThemLaterInTheirOrder) {
  server_.SetDown(true);
  recorder_.Record(pod_, false, "Pulled", "image present");
  recorder_.Record(pod_, false, "Started", "container app");
  loop_.Advance(std::chrono::seconds(20));
  server_.SetDown(false);
  EXPECT_TRUE(Events().empty());
  loop_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Events().size(), 2u);
  // Not for ever: what nobody takes for a long time is given up, and what comes after it is not held up.
  server_.SetDown(true);
  recorder_.Record(pod_, true, "BackOff", "restarting");
  loop_.Advance(std::chrono::minutes(10));
  server_.SetDown(false);
  recorder_.Record(pod_, true, "BackOff", "pulling");
  loop_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Events().size(), 3u);
}

TEST_F(EventRecorderTest, AnAnswerThatIsLostMakesNoSecondEvent) {
  api_->lost_answers = 2;
  recorder_.Record(pod_, false, "Pulled", "image present");
  loop_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Events().size(), 1u);
  recorder_.Record(pod_, false, "Pulled", "image present");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ((*events[0])["count"], 2);
}

TEST_F(EventRecorderTest, AFloodIsCutPerObject) {
  for (int i = 0; i < 100; ++i) recorder_.Record(pod_, true, "Unhealthy", "probe " + std::to_string(i));
  EventSubject other = pod_;
  other.uid = "u-2";
  recorder_.Record(other, true, "Unhealthy", "probe");
  EXPECT_EQ(Events().size(), static_cast<std::size_t>(EventRecorder::kBurst) + 1);
  EXPECT_EQ(recorder_.dropped(), 75u);
  loop_.Advance(EventRecorder::kRefill);
  recorder_.Record(pod_, true, "Unhealthy", "later");
  EXPECT_EQ(Events().size(), static_cast<std::size_t>(EventRecorder::kBurst) + 2);
}

}  // namespace
}  // namespace slicelet::shim
