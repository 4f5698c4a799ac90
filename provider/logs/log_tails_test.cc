#include "provider/logs/log_tails.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "provider/logs/testing/log_lines.h"
#include "provider/store/testing/memory_hub_store.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const HostId kHost("gw-1");
const HubStore::LogTailKey kMain{PodUid("u1"), kHost, "main"};

v1::LogTailRule Rule(bool at_exit, Duration every = Duration::zero()) {
  v1::LogTailRule rule;
  rule.set_at_exit(at_exit);
  rule.set_every_ms(std::chrono::duration_cast<std::chrono::milliseconds>(every).count());
  return rule;
}

v1::WorkloadStatus Running(const std::string& id, const std::string& ended = "") {
  v1::WorkloadStatus status;
  auto& container = *status.add_containers();
  container.set_name("main");
  container.set_container_id(id);
  container.mutable_state()->mutable_running()->set_started_at(1);
  if (!ended.empty()) container.mutable_last_state()->mutable_terminated()->set_container_id(ended);
  return status;
}

v1::WorkloadStatus Ended(const std::string& id) {
  v1::WorkloadStatus status;
  auto& container = *status.add_containers();
  container.set_name("main");
  container.set_container_id(id);
  container.mutable_state()->mutable_terminated()->set_container_id(id);
  return status;
}

/// The hub's side, with a host that answers when the test lets it.
class LogTailsTest : public testing::Test {
 protected:
  LogTailsTest() {
    options_.rule = Rule(true);
    StartHub();
    Connect();
  }

  void StartHub() {
    tails_.reset();
    store_.Open();
    tails_ = std::make_unique<LogTails>(options_, loop_, clock_, random_, store_,
                                        [this](const HostId& host, v1::Command command) {
                                          EXPECT_GT(command.expires(), ToUnixNanos(clock_.Now()));
                                          asked_.emplace_back(host, std::move(command));
                                        });
  }
  void Connect(const std::optional<v1::LogTailRule>& rule = std::nullopt, const HostId& host = kHost) {
    v1::Birth birth;
    birth.add_features("log-tails");
    if (rule) *birth.mutable_log_tails() = *rule;
    tails_->OnConnected(host, birth);
  }
  void Look(const v1::WorkloadStatus& status, const std::optional<v1::LogTailRule>& rule = std::nullopt) {
    tails_->Look(kHost, PodUid("u1"), rule, status);
    loop_.Advance(LogTails::kDelay);
  }
  /// The question that waits for an answer.
  v1::LogTailWanted Asked() {
    EXPECT_FALSE(asked_.empty());
    return asked_.empty() ? v1::LogTailWanted() : asked_.back().second.log_tail();
  }
  [[nodiscard]] v1::Reply AnswerOf(const std::string& lines, bool continues = false,
                                   bool more = false) const {
    v1::Reply reply;
    reply.set_request_id(asked_.back().second.request_id());
    reply.mutable_log_tail()->set_lines(lines);
    reply.mutable_log_tail()->set_continues(continues);
    reply.mutable_log_tail()->set_more(more);
    return reply;
  }
  void Answer(const std::string& lines, bool continues = false, bool more = false) {
    Reply(AnswerOf(lines, continues, more));
  }
  void Reply(const v1::Reply& reply) {
    tails_->OnReply(kHost, reply);
    loop_.Advance(seconds(1));
  }
  void Fail(absl::StatusCode code) {
    v1::Reply reply;
    reply.set_request_id(asked_.back().second.request_id());
    reply.set_code(static_cast<int>(code));
    Reply(reply);
  }
  std::string Kept() {
    const auto tail = tails_->shelf().Read(kMain);
    return tail.ok() ? tail->lines : "nothing";
  }

  SimLoop loop_;
  FakeClock clock_{loop_};
  SeededRandom random_{1};
  MemoryHubStore store_{loop_};
  LogTails::Options options_;
  std::vector<std::pair<HostId, v1::Command>> asked_;
  std::unique_ptr<LogTails> tails_;
};

TEST_F(LogTailsTest, WhatHasEndedIsReadOnce) {
  Look(Running("c1"));
  EXPECT_TRUE(asked_.empty());
  Look(Ended("c1"));
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(Asked().uid(), "u1");
  EXPECT_EQ(Asked().container(), "main");
  EXPECT_EQ(Asked().container_id(), "c1");
  EXPECT_EQ(Asked().after(), 0);
  Answer(LogFileLine(1, "a"));
  EXPECT_EQ(Kept(), LogFileLine(1, "a"));
  Look(Ended("c1"));
  loop_.Advance(minutes(60));
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(LogTailsTest, AnEndThatCameAndWentWhileTheHostWasAwayIsReadToo) {
  Look(Running("c2", "c1"));
  EXPECT_EQ(Asked().container_id(), "c1");
  Answer(LogFileLine(1, "a"));
  loop_.Advance(minutes(60));
  EXPECT_EQ(asked_.size(), 1U) << "what runs is not read";
}

TEST_F(LogTailsTest, ALongEndComesInPieces) {
  Look(Ended("c1"));
  Answer(LogFileLine(1, "a"), false, true);
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(Asked().after(), LogTime(1));
  Answer(LogFileLine(2, "b"), true, true);
  EXPECT_EQ(Kept(), "nothing") << "not before all of it is there";
  Answer(LogFileLine(3, "c"), true, false);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b") + LogFileLine(3, "c"));
}

TEST_F(LogTailsTest, AGapBetweenPiecesDropsWhatWasBeforeIt) {
  Look(Ended("c1"));
  Answer(LogFileLine(1, "a"), false, true);
  Answer(LogFileLine(8, "h"), false, false);
  EXPECT_EQ(Kept(), LogFileLine(8, "h"));
}

TEST_F(LogTailsTest, AnAnswerThatIsSaidTwiceOrLateCountsOnce) {
  Look(Ended("c1"));
  const v1::Reply first = AnswerOf(LogFileLine(1, "a"), false, true);
  Reply(first);
  Reply(first);
  ASSERT_EQ(asked_.size(), 2U);
  Answer(LogFileLine(2, "b"), true);
  Reply(first);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b"));
}

TEST_F(LogTailsTest, WhatRunsIsReadAsOftenAsThePodAsksAndOnlyWhatIsNew) {
  Look(Running("c1"), Rule(true, minutes(10)));
  ASSERT_EQ(asked_.size(), 1U);
  Answer(LogFileLine(1, "a"));
  loop_.Advance(minutes(9));
  EXPECT_EQ(asked_.size(), 1U);
  loop_.Advance(minutes(1));
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(Asked().after(), LogTime(1));
  Answer(LogFileLine(2, "b"), true);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b"));
  const int commits = store_.commits();
  loop_.Advance(minutes(10));
  Answer("", true);
  EXPECT_EQ(store_.commits(), commits) << "nothing new is not written";
  EXPECT_GT(tails_->shelf().Read(kMain)->record.instances(0).taken(), ToUnixNanos(clock_.Now() - minutes(1)));
  loop_.Advance(minutes(10));
  Answer(LogFileLine(50, "z"), false);
  EXPECT_EQ(Kept(), LogFileLine(50, "z")) << "after a gap";
}

TEST_F(LogTailsTest, TheLastWordsOfWhatWasReadWhileItRanAreReadToo) {
  Look(Running("c1"), Rule(true, minutes(10)));
  Answer(LogFileLine(1, "a"));
  Look(Ended("c1"), Rule(true, minutes(10)));
  loop_.Advance(LogTails::kPause);
  EXPECT_EQ(Asked().after(), LogTime(1));
  Answer(LogFileLine(2, "b"), true);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b"));
  Look(Running("c2", "c1"), Rule(true, minutes(10)));
  loop_.Advance(minutes(10));
  EXPECT_EQ(Asked().container_id(), "c2");
  EXPECT_EQ(Asked().after(), 0);
}

TEST_F(LogTailsTest, AContainerThatCrashesAgainAndAgainIsReadOnceAMinute) {
  Look(Ended("c1"));
  Answer(LogFileLine(1, "a"));
  Look(Ended("c2"));
  Look(Ended("c3"));
  EXPECT_EQ(asked_.size(), 1U);
  loop_.Advance(LogTails::kPause);
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(Asked().container_id(), "c3");
}

TEST_F(LogTailsTest, ThePodDecidesElseTheHostElseTheHub) {
  Look(Ended("c1"), Rule(false));
  EXPECT_TRUE(asked_.empty()) << "the pod says never";
  Connect(Rule(false));
  Look(Ended("c1"));
  EXPECT_TRUE(asked_.empty()) << "the host says never";
  Look(Ended("c1"), Rule(true));
  EXPECT_EQ(asked_.size(), 1U) << "the pod asks for it all the same";
}

TEST_F(LogTailsTest, AHubThatKeepsNothingAsksNothing) {
  options_.limit = 0;
  StartHub();
  Connect();
  Look(Ended("c1"), Rule(true));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(LogTailsTest, AHostThatDoesNotKnowItIsNotAsked) {
  tails_->OnConnected(kHost, v1::Birth());
  Look(Ended("c1"));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(LogTailsTest, AQuestionWithoutAnswerIsAskedAgainAndThenLeft) {
  Look(Ended("c1"));
  for (int i = 1; i <= LogTails::kMaxAttempts; ++i) {
    EXPECT_EQ(asked_.size(), static_cast<std::size_t>(i));
    loop_.Advance(LogTails::kAnswerWithin);
  }
  EXPECT_EQ(asked_.size(), static_cast<std::size_t>(LogTails::kMaxAttempts));
  loop_.Advance(LogTails::kPauseAfterFailure);
  EXPECT_EQ(asked_.size(), static_cast<std::size_t>(LogTails::kMaxAttempts + 1));
  Answer(LogFileLine(1, "a"));
  EXPECT_EQ(Kept(), LogFileLine(1, "a"));
}

TEST_F(LogTailsTest, ABrokenLinkBeginsAnewWithTheNextSession) {
  Look(Ended("c1"));
  Answer(LogFileLine(1, "a"), false, true);
  const v1::Reply late = AnswerOf(LogFileLine(2, "b"), true);
  tails_->OnDisconnected(kHost);
  Reply(late);
  loop_.Advance(minutes(60));
  EXPECT_EQ(asked_.size(), 2U);
  Connect();
  ASSERT_EQ(asked_.size(), 3U);
  EXPECT_EQ(Asked().after(), 0);
  Answer(LogFileLine(1, "a") + LogFileLine(2, "b"));
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b"));
}

TEST_F(LogTailsTest, AnEndThatIsNotThereAnyMoreIsNotAskedForAgain) {
  Look(Ended("c1"));
  Fail(absl::StatusCode::kNotFound);
  EXPECT_EQ(Kept(), "");
  loop_.Advance(minutes(60));
  Look(Ended("c1"));
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(LogTailsTest, WhatWasKeptOfAnEndThatIsNotThereAnyMoreStays) {
  Look(Running("c1"), Rule(true, minutes(10)));
  Answer(LogFileLine(1, "a"));
  Look(Ended("c1"), Rule(true, minutes(10)));
  loop_.Advance(LogTails::kPause);
  Fail(absl::StatusCode::kNotFound);
  EXPECT_EQ(Kept(), LogFileLine(1, "a"));
  loop_.Advance(minutes(60));
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(LogTailsTest, ARestartedHubGoesOnWhereItWas) {
  Look(Running("c1"), Rule(true, minutes(10)));
  Answer(LogFileLine(1, "a"));
  StartHub();
  Connect();
  Look(Running("c1"), Rule(true, minutes(10)));
  EXPECT_EQ(asked_.size(), 1U) << "not all at once";
  loop_.Advance(minutes(10));
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(Asked().after(), LogTime(1));
}

TEST_F(LogTailsTest, AHubRestoredFromAnOldCopyReadsWhatItLacks) {
  Look(Running("c1"), Rule(true, minutes(10)));
  Answer(LogFileLine(1, "a"));
  const auto copy = store_.CopyState();
  loop_.Advance(minutes(10));
  Answer(LogFileLine(2, "b"), true);
  store_.Restore(copy);
  StartHub();
  Connect();
  Look(Running("c1"), Rule(true, minutes(10)));
  loop_.Advance(minutes(10));
  EXPECT_EQ(Asked().after(), LogTime(1));
  Answer(LogFileLine(2, "b") + LogFileLine(3, "c"), true);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b") + LogFileLine(3, "c"));
}

TEST_F(LogTailsTest, AFullDiskKeepsWhatWasThereAndIsTriedAgain) {
  Look(Running("c1"), Rule(true, minutes(10)));
  Answer(LogFileLine(1, "a"));
  loop_.Advance(minutes(10));
  store_.SetDiskFull(true);
  Answer(LogFileLine(2, "b"), true);
  EXPECT_EQ(Kept(), LogFileLine(1, "a"));
  store_.SetDiskFull(false);
  loop_.Advance(minutes(10));
  EXPECT_EQ(Asked().after(), LogTime(1));
  Answer(LogFileLine(2, "b"), true);
  EXPECT_EQ(Kept(), LogFileLine(1, "a") + LogFileLine(2, "b"));
}

TEST_F(LogTailsTest, OfAPodThatIsGoneNothingIsKeptAndALateAnswerIsNothing) {
  Look(Ended("c1"));
  Answer(LogFileLine(1, "a"));
  Look(Ended("c2"));
  loop_.Advance(LogTails::kPause);
  const v1::Reply late = AnswerOf(LogFileLine(2, "b"));
  HubStore::Batch batch;
  tails_->Forget(PodUid("u1"), kHost, batch);
  EXPECT_EQ(batch.log_tails.size(), 1U);
  store_.Commit(std::move(batch), [](const absl::Status&) {});
  Reply(late);
  EXPECT_EQ(Kept(), "nothing");
  EXPECT_TRUE(store_.CopyState().log_tails.empty());
}

TEST_F(LogTailsTest, WhatAHostInventsIsNotKept) {
  Look(Ended("c1"));
  Answer("no log line\n" + LogFileLine(1, "a"));
  EXPECT_EQ(Kept(), LogFileLine(1, "a"));
}

TEST_F(LogTailsTest, EndsThatDoNotFitTogetherAreReadOnceEach) {
  std::string full;
  while (full.size() < kMaxLogTail) full += LogFileLine(1, std::string(1'000, 'x'));
  constexpr std::size_t kFit = LogTailShelf::kMaxHostBytes / kMaxLogTail;
  const auto look = [this] {
    for (std::size_t i = 0; i <= kFit; ++i)
      tails_->Look(kHost, PodUid("u" + std::to_string(i)), std::nullopt, Ended("c1"));
    loop_.Advance(LogTails::kDelay);
  };
  std::size_t answered = 0;
  const auto answer = [&] {
    while (answered < asked_.size() && answered < 3 * kFit) {
      answered = asked_.size();
      Answer(full);
    }
  };
  look();
  answer();
  EXPECT_EQ(asked_.size(), kFit + 1);
  const std::uint64_t dropped = tails_->shelf().dropped();
  EXPECT_GT(dropped, 0U);
  // A pod goes on being reported, and its host breaks off now and then.
  for (int i = 0; i < 60; ++i) {
    loop_.Advance(minutes(1));
    if (i % 20 == 0) Connect();
    look();
    answer();
  }
  EXPECT_EQ(asked_.size(), kFit + 1);
  EXPECT_EQ(tails_->shelf().dropped(), dropped);

  // The next hub knows only what is kept: what is not is read once more, and nothing for its sake.
  StartHub();
  Connect();
  look();
  answer();
  loop_.Advance(minutes(60));
  answer();
  EXPECT_EQ(asked_.size(), kFit + 1 + dropped);
}

TEST_F(LogTailsTest, AHostThatAlwaysHasMoreIsLeft) {
  Look(Ended("c1"));
  for (int i = 0; i < LogTails::kMaxPieces; ++i) Answer(LogFileLine(i, "x"), i > 0, true);
  EXPECT_EQ(asked_.size(), static_cast<std::size_t>(LogTails::kMaxPieces));
  EXPECT_NE(Kept(), "nothing");
}

TEST_F(LogTailsTest, OnlySomeHostsAreReadAtOnce) {
  constexpr int kHosts = static_cast<int>(LogTails::kMaxHostsAtOnce) + 3;
  for (int i = 0; i < kHosts; ++i) {
    const HostId host("h-" + std::to_string(i));
    Connect(std::nullopt, host);
    tails_->Look(host, PodUid("u1"), std::nullopt, Ended("c1"));
  }
  loop_.Advance(LogTails::kDelay);
  ASSERT_EQ(asked_.size(), LogTails::kMaxHostsAtOnce);
  const auto [first, command] = asked_.front();
  v1::Reply reply;
  reply.set_request_id(command.request_id());
  tails_->OnReply(first, reply);
  loop_.Advance(seconds(1));
  EXPECT_EQ(asked_.size(), LogTails::kMaxHostsAtOnce + 1);
  const HostId second = asked_[1].first;
  const HostId third = asked_[2].first;
  tails_->OnDisconnected(second);
  tails_->Forget(third);
  EXPECT_EQ(asked_.size(), LogTails::kMaxHostsAtOnce + 3);
}

}  // namespace
}  // namespace slicelet::provider
