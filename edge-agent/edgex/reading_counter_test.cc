#include "edge-agent/edgex/reading_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "edge-agent/edgex/testing/fake_edgex.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class ReadingCounterTest : public ::testing::Test {
 protected:
  ReadingCounterTest() { Make(minutes(1)); }

  void Start(const std::set<std::string>& names) {
    counter_->SetDevices(names);
    counter_->SetEndpoint(kHere);
  }
  std::int64_t Count(const std::string& name) { return counter_->readings().at(name).count(); }
  std::int64_t Newest(const std::string& name) { return counter_->readings().at(name).newest(); }
  void Make(Duration period) {
    counter_.emplace(loop_, clock_, edgex_, period, [this] { ++changes_; });
  }

  const EdgexClient::Endpoint kHere{"10.0.0.1", 59880};
  SimLoop loop_;
  FakeClock clock_{loop_};
  FakeEdgex edgex_{loop_};
  int changes_ = 0;
  std::optional<ReadingCounter> counter_;
};

TEST_F(ReadingCounterTest, AnAnswerThatNestsWithoutEndIsNone) {
  edgex_.babble = EdgexClient::Answer{
      200, R"({"totalCount":1,"readings":)" + std::string(200'000, '[') + std::string(200'000, ']') + "}"};
  Start({"boiler"});
  loop_.Advance(minutes(5));
  EXPECT_THAT(counter_->readings(), IsEmpty());
}

TEST_F(ReadingCounterTest, TellsWhatCoreDataHolds) {
  edgex_.readings["boiler"] = {.count = 7, .newest = 4'711};
  edgex_.readings["stove%20%2F1"] = {.count = 1, .newest = 5};
  counter_->SetDevices({"boiler", "stove /1"});
  loop_.Advance(minutes(5));
  EXPECT_EQ(edgex_.requests, 0) << "core-data is not ready";
  counter_->SetEndpoint(kHere);
  loop_.Advance(seconds(11));
  EXPECT_EQ(Count("boiler"), 7);
  EXPECT_EQ(Newest("boiler"), 4'711);
  EXPECT_EQ(Count("stove /1"), 1) << "names are encoded";
  EXPECT_EQ(changes_, 1) << "all in one go";
}

TEST_F(ReadingCounterTest, HoweverManyReadingsComeItTellsOnceInAPeriod) {
  edgex_.readings["boiler"] = {.count = 1, .newest = 1};
  Start({"boiler"});
  loop_.Advance(seconds(11));
  ASSERT_EQ(changes_, 1);
  for (int i = 0; i < 3'000; ++i) {
    ++edgex_.readings["boiler"].count;
    ++edgex_.readings["boiler"].newest;
    loop_.Advance(milliseconds(100));
  }
  EXPECT_EQ(changes_, 6);
  EXPECT_THAT(edgex_.asked, SizeIs(6));
}

TEST_F(ReadingCounterTest, TellsNothingWhileNothingChangesAndKeepsTheTimeOfTheChange) {
  edgex_.readings["boiler"] = {.count = 1, .newest = 1};
  Start({"boiler"});
  loop_.Advance(seconds(11));
  const std::int64_t observed = counter_->readings().at("boiler").observed_at();
  EXPECT_GT(observed, 0);
  loop_.Advance(minutes(10));
  EXPECT_EQ(changes_, 1);
  EXPECT_THAT(edgex_.asked, SizeIs(11));
  EXPECT_EQ(counter_->readings().at("boiler").observed_at(), observed);
  edgex_.readings["boiler"].newest = 2;
  loop_.Advance(minutes(1));
  EXPECT_EQ(changes_, 2) << "as many as before, but newer ones";
  EXPECT_GT(counter_->readings().at("boiler").observed_at(), observed);
}

TEST_F(ReadingCounterTest, AFirstReadingIsToldSoonAlsoWhereTheOthersAreToldRarely) {
  Make(minutes(15));
  edgex_.readings["boiler"] = {.count = 1, .newest = 1};
  Start({"boiler", "stove"});
  loop_.Advance(seconds(11));
  EXPECT_EQ(Count("stove"), 0);
  EXPECT_EQ(Newest("stove"), 0);
  edgex_.asked.clear();
  edgex_.readings["boiler"] = {.count = 2, .newest = 2};
  edgex_.readings["stove"] = {.count = 3, .newest = 3};
  loop_.Advance(minutes(1));
  EXPECT_EQ(Count("stove"), 3);
  EXPECT_EQ(Count("boiler"), 1) << "its turn comes later";
  EXPECT_EQ(changes_, 2);
  EXPECT_THAT(edgex_.asked, ElementsAre("stove"));
  loop_.Advance(minutes(15));
  EXPECT_EQ(Count("boiler"), 2);
  EXPECT_EQ(changes_, 3);
}

TEST_F(ReadingCounterTest, ADeviceThatStaysSilentIsAskedForEverMoreRarely) {
  Make(minutes(15));
  Start({"boiler"});
  loop_.Advance(minutes(60));
  // 10 s, 20 s, 40 s ... 640 s after one another, and every 15 minutes.
  EXPECT_THAT(edgex_.asked.size(), AllOf(Ge(9U), Le(13U)));
  EXPECT_EQ(changes_, 1);
}

TEST_F(ReadingCounterTest, KeepsWhatWasToldWhileCoreDataIsAway) {
  edgex_.readings["boiler"] = {.count = 9, .newest = 9};
  Start({"boiler"});
  loop_.Advance(seconds(11));
  edgex_.down = true;
  loop_.Advance(minutes(5));
  EXPECT_EQ(Count("boiler"), 9);
  counter_->SetEndpoint(std::nullopt);
  loop_.Advance(minutes(5));
  EXPECT_EQ(Count("boiler"), 9);
  EXPECT_EQ(changes_, 1);
  // Its database begins empty.
  edgex_.down = false;
  edgex_.readings.clear();
  counter_->SetEndpoint(kHere);
  loop_.Advance(minutes(2));
  EXPECT_EQ(Count("boiler"), 0);
  EXPECT_EQ(Newest("boiler"), 0);
}

TEST_F(ReadingCounterTest, AnEndpointThatComesAndGoesIsNotAskedMoreOften) {
  edgex_.readings["boiler"] = {.count = 1, .newest = 1};
  Start({"boiler"});
  for (int i = 0; i < 40; ++i) {
    ++edgex_.readings["boiler"].count;
    counter_->SetEndpoint(std::nullopt);
    loop_.Advance(seconds(4));
    counter_->SetEndpoint(kHere);
    loop_.Advance(seconds(11));
  }
  EXPECT_LE(changes_, 11) << "in ten minutes";
  EXPECT_LE(edgex_.asked.size(), 11U);
}

TEST_F(ReadingCounterTest, LeavesASlowCoreDataTwentyTimesTheRest) {
  edgex_.latency = seconds(5);
  edgex_.readings = {{"a", {.count = 1, .newest = 1}}, {"b", {.count = 1, .newest = 1}}};
  Start({"a", "b"});
  loop_.Advance(seconds(21));
  EXPECT_THAT(edgex_.asked, ElementsAre("a", "b"));
  loop_.Advance(seconds(198));
  EXPECT_THAT(edgex_.asked, SizeIs(2));
  loop_.Advance(seconds(12));
  EXPECT_THAT(edgex_.asked, SizeIs(4));
}

TEST_F(ReadingCounterTest, ForgetsDevicesThatAreNotWantedAnyMore) {
  edgex_.readings = {{"a", {.count = 1, .newest = 1}}, {"b", {.count = 2, .newest = 2}}};
  Start({"a", "b"});
  loop_.Advance(seconds(11));
  counter_->SetDevices({"b"});
  EXPECT_EQ(counter_->readings().count("a"), 0U);
  EXPECT_EQ(Count("b"), 2);
  edgex_.asked.clear();
  loop_.Advance(minutes(3));
  EXPECT_THAT(edgex_.asked, AllOf(SizeIs(3), Each(std::string("b"))));
  counter_->SetDevices({});
  edgex_.asked.clear();
  loop_.Advance(minutes(3));
  EXPECT_THAT(edgex_.asked, IsEmpty());
}

/// Answers what it is told to.
class Saying : public EdgexClient {
 public:
  explicit Saying(Loop& loop) : loop_(loop) {}

  void Send(const Endpoint&, const Request&, Callback<Answer> done) override {
    loop_.Post([this, done = std::move(done)] { done(answers_.empty() ? answer_ : Next()); });
  }

  absl::StatusOr<Answer> answer_ = Answer{};
  std::vector<absl::StatusOr<Answer>> answers_;

 private:
  absl::StatusOr<Answer> Next() {
    auto next = answers_.front();
    answers_.erase(answers_.begin());
    return next;
  }

  Loop& loop_;
};

TEST_F(ReadingCounterTest, WhatIsNoAnswerChangesNothing) {
  Saying core_data(loop_);
  ReadingCounter counter(loop_, clock_, core_data, minutes(1), [this] { ++changes_; });
  counter.SetDevices({"boiler"});
  counter.SetEndpoint(kHere);
  core_data.answer_ = EdgexClient::Answer{200, R"({"totalCount":3,"readings":[{"origin":8}]})"};
  loop_.Advance(seconds(11));
  ASSERT_EQ(counter.readings().at("boiler").count(), 3);
  for (const char* body : {"", "{", "[]", "null", R"({"readings":[{"origin":9}]})", R"({"totalCount":"4"})",
                           R"({"totalCount":-4})", R"({"totalCount":18446744073709551615})"}) {
    core_data.answer_ = EdgexClient::Answer{200, body};
    loop_.Advance(minutes(2));
    EXPECT_EQ(counter.readings().at("boiler").count(), 3) << body;
  }
  core_data.answer_ = EdgexClient::Answer{500, R"({"totalCount":4,"readings":[]})"};
  loop_.Advance(minutes(2));
  EXPECT_EQ(counter.readings().at("boiler").newest(), 8);
  EXPECT_EQ(changes_, 1);
  // A count without a time that can be read is a count.
  for (const char* readings : {"{}", "[1]", R"([{"origin":"9"}])", R"([{"origin":-9}])"}) {
    core_data.answer_ =
        EdgexClient::Answer{200, std::string(R"({"totalCount":5,"readings":)") + readings + "}"};
    loop_.Advance(minutes(2));
    EXPECT_EQ(counter.readings().at("boiler").count(), 5) << readings;
    EXPECT_EQ(counter.readings().at("boiler").newest(), 0) << readings;
  }
}

TEST_F(ReadingCounterTest, AnAnswerThatIsTooLargeKeepsOnlyItsDeviceUntold) {
  Saying core_data(loop_);
  ReadingCounter counter(loop_, clock_, core_data, minutes(1), [] {});
  core_data.answers_.emplace_back(absl::ResourceExhaustedError("too large"));
  core_data.answer_ = EdgexClient::Answer{200, R"({"totalCount":3,"readings":[{"origin":8}]})"};
  counter.SetDevices({"camera", "oven"});
  counter.SetEndpoint(kHere);
  loop_.Advance(seconds(11));
  EXPECT_EQ(counter.readings().count("camera"), 0U);
  EXPECT_EQ(counter.readings().at("oven").count(), 3);
}

}  // namespace
}  // namespace slicelet::agent
