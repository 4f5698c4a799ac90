#include "provider/logs/log_tail.h"

#include <gmock/gmock.h>

#include "provider/logs/testing/log_lines.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

LogTailRead Read(const std::string& id, const std::string& lines, int through, bool continues = false) {
  LogTailRead read;
  read.container_id = id;
  read.lines = lines;
  read.through = LogTime(through);
  read.continues = continues;
  read.taken = LogTime(through + 1);
  return read;
}

HubStore::LogTail TwoInstances() {
  HubStore::LogTail kept;
  AddToLogTail(kept, Read("c1", LogFileLine(1, "one") + LogFileLine(2, "two"), 2));
  AddToLogTail(kept, Read("c2", LogFileLine(3, "three") + LogFileLine(4, "four"), 4));
  return kept;
}

std::string Show(const HubStore::LogTail& kept, const v1::LogOptions& options = {},
                 const std::string& current = "c2") {
  const auto shown = ShowLogTail(kept, HostId("gw-1"), current, options, FromUnixNanos(LogTime(3'605)));
  return shown.ok() ? *shown : Message(shown.status());
}
std::string Body(const std::string& shown) { return shown.substr(shown.find('\n') + 1); }

TEST(LogLinesOf, TakesWhatALogFileHasAndNothingElse) {
  std::int64_t through = 7;
  EXPECT_EQ(LogLinesOf("rubbish\n" + LogFileLine(1, "a") + "x stdout F y\n" + LogFileLine(2, "b") + "2026",
                       through),
            LogFileLine(1, "a") + LogFileLine(2, "b"));
  EXPECT_EQ(through, LogTime(2));
  EXPECT_EQ(LogLinesOf("", through), "");
  EXPECT_EQ(through, LogTime(2));
}

TEST(AddToLogTail, ContinuesOrReplacesAnInstance) {
  HubStore::LogTail kept = TwoInstances();
  AddToLogTail(kept, Read("c2", LogFileLine(5, "five"), 5, /*continues=*/true));
  EXPECT_EQ(kept.lines, LogFileLine(1, "one") + LogFileLine(2, "two") + LogFileLine(3, "three") +
                            LogFileLine(4, "four") + LogFileLine(5, "five"));
  EXPECT_EQ(FindInstance(kept.record, "c2")->through(), LogTime(5));
  AddToLogTail(kept, Read("c1", LogFileLine(9, "nine"), 9));
  EXPECT_EQ(kept.lines, LogFileLine(9, "nine") + LogFileLine(3, "three") + LogFileLine(4, "four") +
                            LogFileLine(5, "five"));
  EXPECT_EQ(FindInstance(kept.record, "c1")->bytes(), LogFileLine(9, "nine").size());
}

TEST(AddToLogTail, NothingNewKeepsTheTimeOfTheLastLine) {
  HubStore::LogTail kept = TwoInstances();
  LogTailRead read;
  read.container_id = "c2";
  read.continues = true;
  read.ended = true;
  AddToLogTail(kept, read);
  EXPECT_EQ(FindInstance(kept.record, "c2")->through(), LogTime(4));
  EXPECT_TRUE(FindInstance(kept.record, "c2")->ended());
}

TEST(AddToLogTail, TheOldestOfThreeInstancesGoes) {
  HubStore::LogTail kept = TwoInstances();
  AddToLogTail(kept, Read("c3", LogFileLine(6, "six"), 6));
  EXPECT_EQ(kept.lines, LogFileLine(3, "three") + LogFileLine(4, "four") + LogFileLine(6, "six"));
  EXPECT_EQ(FindInstance(kept.record, "c1"), nullptr);
  EXPECT_EQ(kept.record.instances(0).container_id(), "c2");
}

TEST(AddToLogTail, WhatIsTooMuchGoesFromTheBeginningInWholeLines) {
  HubStore::LogTail kept = TwoInstances();
  std::string lines;
  int last = 0;
  while (lines.size() + 1'000 < kMaxLogTail) lines += LogFileLine(++last, std::string(900, 'x'));
  AddToLogTail(kept, Read("c3", lines, last));
  EXPECT_EQ(kept.lines.substr(kept.lines.size() - lines.size()), lines);
  EXPECT_LE(kept.lines.size(), kMaxLogTail);
  std::string more;
  for (int i = 0; i < 10; ++i) more += LogFileLine(last + i, std::string(900, 'y'));
  AddToLogTail(kept, Read("c3", more, last + 9, /*continues=*/true));
  EXPECT_LE(kept.lines.size(), kMaxLogTail);
  EXPECT_GT(kept.lines.size(), kMaxLogTail - 1'000);
  EXPECT_EQ(kept.lines.substr(kept.lines.size() - more.size()), more);
  std::int64_t through = 0;
  EXPECT_EQ(LogLinesOf(kept.lines, through), kept.lines) << "every line is whole";
  EXPECT_EQ(kept.record.instances(0).bytes() + kept.record.instances(1).bytes(), kept.lines.size());
}

TEST(ShowLogTail, SaysThatTheHostIsAwayAndHowOldThisIs) {
  EXPECT_EQ(
      Show(TwoInstances()),
      "slicelet: host gw-1 is not reachable; this end of the log was read at 2026-01-01T00:00:05Z, 1h0m "
      "ago\nthree\nfour\n");
}

TEST(ShowLogTail, SaysThatAnotherInstanceHasBegun) {
  EXPECT_EQ(
      Show(TwoInstances(), {}, "c3"),
      "slicelet: host gw-1 is not reachable; this end of the log was read at 2026-01-01T00:00:05Z, 1h0m "
      "ago, and another instance has begun since\nthree\nfour\n");
}

TEST(ShowLogTail, ThePreviousInstanceIsTheOneBeforeTheOneThatRuns) {
  v1::LogOptions previous;
  previous.set_previous(true);
  EXPECT_EQ(Body(Show(TwoInstances(), previous)), "one\ntwo\n");
  EXPECT_EQ(Body(Show(TwoInstances(), previous, "c3")), "three\nfour\n");
  HubStore::LogTail one;
  AddToLogTail(one, Read("c1", LogFileLine(1, "one"), 1));
  EXPECT_THAT(Show(one, previous, "c1"),
              HasSubstr("of a previous instance of the container nothing is kept"));
}

TEST(ShowLogTail, OptionsCount) {
  v1::LogOptions tail;
  tail.set_tail_lines(1);
  EXPECT_EQ(Body(Show(TwoInstances(), tail)), "four\n");
  tail.set_tail_lines(0);
  EXPECT_EQ(Body(Show(TwoInstances(), tail)), "");
  tail.set_tail_lines(9);
  EXPECT_EQ(Body(Show(TwoInstances(), tail)), "three\nfour\n");
  v1::LogOptions since;
  since.set_since_time(LogTime(4));
  EXPECT_EQ(Body(Show(TwoInstances(), since)), "four\n");
  v1::LogOptions limit;
  limit.set_limit_bytes(3);
  EXPECT_EQ(Body(Show(TwoInstances(), limit)), "thr");
  v1::LogOptions timestamps;
  timestamps.set_timestamps(true);
  timestamps.set_tail_lines(1);
  EXPECT_THAT(Body(Show(TwoInstances(), timestamps)), StartsWith("2026-01-01T00:00:04.000000Z four\n"));
}

TEST(ShowLogTail, ARecordThatDoesNotFitItsLinesIsHarmless) {
  HubStore::LogTail kept = TwoInstances();
  kept.lines.resize(10);
  EXPECT_EQ(Body(Show(kept)), "");
  kept.record.clear_instances();
  EXPECT_THAT(Show(kept), HasSubstr("nothing is kept"));
}

}  // namespace
}  // namespace slicelet::provider
