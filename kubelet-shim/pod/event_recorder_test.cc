#include "kubelet-shim/pod/event_recorder.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

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
  EventRecorder recorder_{loop_, clock_, random_, server_.ApiAs("system:node:edge-1"), "edge-1"};
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
