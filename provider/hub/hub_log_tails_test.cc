// What a hub answers about the logs of hosts that can not be reached.
#include <gmock/gmock.h>

#include "provider/hub/testing/fleet_fixture.h"
#include "provider/logs/answered_log.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kLine[] = "2026-01-01T00:00:00.000000001Z stdout F hello\n";

/// Somebody who reads a log.
class LogReader {
 public:
  LogReader(Hub& hub, Loop& loop, const std::string& uid, const std::string& host = "") {
    auto [ours, theirs] = MakeLocalFrameStreams(loop);
    stream_ = std::move(ours);
    v1::StreamHead head;
    head.set_namespace_("ns");
    head.set_pod("pod-" + uid);
    head.set_uid(uid);
    head.set_container("main");
    head.set_host(host);
    head.mutable_logs();
    hub.OnStream(head, std::move(theirs));
    Read();
  }

  int code = -1;
  std::string text;
  bool ended = false;

 private:
  void Read() {
    stream_->Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      ended = !frame.ok() || !*frame;
      if (ended) return;
      if ((*frame)->has_reply()) {
        code = (*frame)->reply().code();
        text += (*frame)->reply().message();
      }
      text += (*frame)->data();
      Read();
    });
  }

  std::unique_ptr<FrameStream> stream_;
};

class HubLogTailsTest : public FleetFixture {
 protected:
  static v1::WorkloadStatus Exited(const std::string& uid) {
    v1::WorkloadStatus status;
    status.set_uid(uid);
    status.set_phase(v1::PHASE_RUNNING);
    auto& container = *status.add_containers();
    container.set_name("main");
    container.set_container_id("c1");
    container.mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
    container.mutable_last_state()->mutable_terminated()->set_container_id("c1");
    return status;
  }
  /// The host's container has ended, the hub asks, the host answers.
  void Exit(ScriptedHost& host, const std::string& uid, const std::string& lines = kLine) {
    host.Report(Exited(uid));
    Advance();
    AnswerAll(host, lines);
  }
  void AnswerAll(ScriptedHost& host, const std::string& lines = kLine) {
    for (const v1::Command& command : host.commands) {
      if (!command.has_log_tail()) continue;
      v1::HostMessage message;
      message.mutable_reply()->set_request_id(command.request_id());
      message.mutable_reply()->mutable_log_tail()->set_lines(lines);
      host.Send(std::move(message));
    }
    Advance();
  }
  void Advance() { loop_.Advance(seconds(2)); }
  /// The link is cut, and the hub has noticed.
  void Lose(ScriptedHost& host) {
    host.Disconnect();
    loop_.Advance(minutes(5));
  }
  std::string Read(const std::string& uid, const std::string& host = "") {
    const auto reader = std::make_unique<LogReader>(*hub_, loop_, uid, host);
    Settle();
    code_ = reader->code;
    return reader->text;
  }
  int code_ = -1;
};

/// With nodes for hosts.
class OneHostLogTailsTest : public HubLogTailsTest {
 protected:
  OneHostLogTailsTest() {
    options_.fleet_nodes.clear();
    options_.host_nodes = true;
    options_.log_tails.rule.set_at_exit(true);
    RestartHub();
    host_.features = {"log-tails"};
    ConnectAll();
    Apply("u1");
  }
};

TEST_F(OneHostLogTailsTest, AHostThatIsAwayIsAnsweredForWithWhatWasKept) {
  Exit(host_, "u1");
  Lose(host_);
  EXPECT_THAT(Read("u1"), StartsWith("slicelet: host gw-1 is not reachable; this end of the log was read at "
                                     "2026-01-01T00:00:0"));
  EXPECT_THAT(Read("u1"), testing::EndsWith(", 5m ago\nhello\n"));
  EXPECT_EQ(code_, 0);
}

TEST_F(OneHostLogTailsTest, WithoutAnythingKeptItSaysSo) {
  Lose(host_);
  EXPECT_THAT(Read("u1"), HasSubstr("host gw-1 is not connected, and nothing of this log was kept"));
  EXPECT_EQ(code_, static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(OneHostLogTailsTest, AHostThatDoesNotAnswerIsAnsweredForToo) {
  Exit(host_, "u1");
  LogReader reader(*hub_, loop_, "u1");
  loop_.Advance(kAnswerLogWithin);
  EXPECT_EQ(reader.code, 0);
  EXPECT_THAT(reader.text, testing::EndsWith("hello\n"));
  EXPECT_TRUE(reader.ended);
}

TEST_F(OneHostLogTailsTest, ItOutlivesTheHubsProcess) {
  Exit(host_, "u1");
  host_.Disconnect();
  RestartHub();
  ConnectShim();
  Synced({"u1"});
  EXPECT_THAT(Read("u1"), testing::EndsWith("hello\n"));
}

TEST_F(OneHostLogTailsTest, ItGoesWithItsPod) {
  Exit(host_, "u1");
  EXPECT_EQ(store_.CopyState().log_tails.size(), 1U);
  Stop("u1", 1);
  host_.ReportGone("u1");
  Advance();
  EXPECT_EQ(host_.Find("u1"), nullptr);
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, ItGoesWhenAProofSaysWhatALostAnswerWouldHaveSaid) {
  Exit(host_, "u1");
  host_.unheard = true;
  Stop("u1", 1);
  host_.ReportGone("u1");
  Advance();
  ASSERT_EQ(host_.Find("u1"), nullptr);
  ASSERT_EQ(store_.CopyState().log_tails.size(), 1U);
  // A copy of an older manifest reaches it, as a broker may deliver one again.
  v1::HostMessage message;
  message.mutable_rejected()->set_code(v1::Rejected::STALE_GENERATION);
  *message.mutable_rejected()->mutable_held() = *host_.held;
  host_.Send(std::move(message));
  Advance();
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, WhatAnOldCopyHoldsOfAPodThatIsGoneGoesToo) {
  Exit(host_, "u1");
  auto copy = store_.CopyState();
  Stop("u1", 1);
  host_.ReportGone("u1");
  Advance();
  // As if a crash had come between the two.
  auto left = store_.CopyState();
  left.log_tails = copy.log_tails;
  store_.Restore(std::move(left));
  RestartHub();
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, WhatAFullDiskKeepsWhenTheHubStartsGoesLater) {
  Exit(host_, "u1");
  const auto copy = store_.CopyState();
  Stop("u1", 1);
  host_.ReportGone("u1");
  Advance();
  auto left = store_.CopyState();
  left.log_tails = copy.log_tails;
  store_.Restore(std::move(left));
  store_.SetDiskFull(true);
  RestartHub();
  EXPECT_EQ(store_.CopyState().log_tails.size(), 1U);
  store_.SetDiskFull(false);
  loop_.Advance(minutes(2));
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, WhatAFullDiskKeepsWhenThePodIsForgottenGoesLater) {
  Exit(host_, "u1");
  const auto copy = store_.CopyState();
  Stop("u1", 1);
  host_.ReportGone("u1");
  Advance();
  store_.Restore(copy);
  RestartHub();
  store_.SetDiskFull(true);
  // It proves that it has nothing of the pod.
  host_.Connect();
  Advance();
  EXPECT_EQ(store_.CopyState().log_tails.size(), 1U);
  store_.SetDiskFull(false);
  loop_.Advance(minutes(2));
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, ItGoesWithItsHost) {
  Exit(host_, "u1");
  Lose(host_);
  api_->Delete({kube::kEdgeHosts, "slicelet", "gw-1", ""}, {}, [](const absl::Status&) {});
  Advance();
  v1::DecommissionNodeRequest request;
  request.set_node("gw-1");
  request.set_force(true);
  EXPECT_EQ(hub_->DecommissionNode(request), absl::OkStatus());
  Advance();
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(OneHostLogTailsTest, ThePodsAnnotationCountsAsSoonAsItIsWritten) {
  kube::Json never = {{"metadata", {{"annotations", {{"slicelet.io/log-tail", "off"}}}}}};
  Say(ApplyOf(PodJson("u1", never)));
  Exit(host_, "u1");
  EXPECT_TRUE(host_.commands.empty());
  Apply("u1");
  Advance();
  ASSERT_EQ(host_.commands.size(), 1U);
  EXPECT_EQ(host_.commands[0].log_tail().container_id(), "c1");
}

TEST_F(OneHostLogTailsTest, APodThatIsBeingDeletedIsNotReadAnyMore) {
  Stop("u1", 30);
  Exit(host_, "u1");
  EXPECT_TRUE(host_.commands.empty());
}

TEST_F(OneHostLogTailsTest, HowMuchIsKeptIsShown) {
  Exit(host_, "u1");
  EXPECT_GT(hub_->ListHosts().hosts(0).log_tail_bytes(), std::string(kLine).size());
}

TEST_F(HubLogTailsTest, OfAFleetTheHostThatWasReadLastIsShown) {
  options_.log_tails.rule.set_at_exit(true);
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->features = {"log-tails"};
  ConnectFleet();
  ApplyFleet("u1");
  Exit(second_, "u1", "2026-01-01T00:00:01Z stdout F second\n");
  Exit(third_, "u1", "2026-01-01T00:00:01Z stdout F third\n");
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->Disconnect();
  loop_.Advance(minutes(5));
  EXPECT_THAT(Read("u1"), StartsWith("slicelet: host gw-3 is not reachable"));
  EXPECT_THAT(Read("u1"), HasSubstr("third\n"));
  EXPECT_THAT(Read("u1", "gw-2"), HasSubstr("second\n"));
  Read("u1", "gw-1");
  EXPECT_EQ(code_, static_cast<int>(absl::StatusCode::kUnavailable));
}

TEST_F(HubLogTailsTest, TheMergedLogsOfAFleetHoldWhatWasKept) {
  options_.log_tails.rule.set_at_exit(true);
  RestartHub();
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->features = {"log-tails"};
  ConnectFleet();
  ApplyFleet("u1", {{"slicelet.io/logs", "all"}});
  Exit(second_, "u1", "2026-01-01T00:00:01Z stdout F second\n");
  for (ScriptedHost* host : {&host_, &second_, &third_}) host->Disconnect();
  loop_.Advance(minutes(5));
  const std::string text = Read("u1");
  EXPECT_THAT(text, HasSubstr("gw-1 | slicelet: the host is not connected\n"));
  EXPECT_THAT(text, HasSubstr("gw-2 | slicelet: host gw-2 is not reachable"));
  EXPECT_THAT(text, HasSubstr("gw-2 | second\n"));
}

}  // namespace
}  // namespace slicelet::provider
