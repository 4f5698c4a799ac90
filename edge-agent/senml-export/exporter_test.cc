#include "edge-agent/senml-export/exporter.h"

#include <gmock/gmock.h>

#include <set>

#include "common/base/encoding.h"
#include "common/loop/testing/sim_loop.h"
#include "common/mqtt/testing/fake_broker.h"
#include "edge-agent/senml-export/bus_reader.h"
#include "edge-agent/senml-export/testing/memory_outbox.h"

namespace slicelet::senml {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string EventOf(int value) {
  return R"({"payload":{"event":{"deviceName":"d","origin":1700000000000000000,"readings":[{"resourceName":"r",)"
         R"("valueType":"Int32","value":")" +
         std::to_string(value) + R"("}]}}})";
}
std::string PackOf(int value) {
  return R"([{"bn":"d:","bt":1700000000,"n":"r","v":)" + std::to_string(value) + "}]";
}

class ExporterTest : public testing::Test {
 protected:
  std::unique_ptr<Exporter> MakeExporter() {
    return std::make_unique<Exporter>(loop_, random_, outbox_, *to_server_,
                                      Exporter::Options{"channels/c1/messages", "gw-1"});
  }
  void Start() {
    exporter_ = MakeExporter();
    exporter_->Start();
    loop_.RunReady();
  }
  void Add(int first, int last) {
    for (int i = first; i <= last; ++i) ASSERT_TRUE(outbox_.Add(PackOf(i), Sha256(PackOf(i))).ok());
    exporter_->Wake();
    loop_.RunReady();
  }
  /// The packs that carry readings.
  std::vector<std::string> Received() const {
    std::vector<std::string> payloads;
    for (const auto& message : server_.seen()) {
      if (message.payload != "[]") payloads.push_back(message.payload);
    }
    return payloads;
  }
  std::size_t Tests() const { return server_.seen().size() - Received().size(); }

  SimLoop loop_;
  SeededRandom random_{1};
  FakeBroker server_{loop_};
  std::unique_ptr<MqttDialer> to_server_ = server_.MakeDialer();
  MemoryOutbox outbox_;
  std::unique_ptr<Exporter> exporter_;
};

TEST_F(ExporterTest, SendsInOrderAndRemovesWhatWasTaken) {
  ASSERT_TRUE(outbox_.Add(PackOf(1), Sha256(PackOf(1))).ok());
  Start();
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  EXPECT_THAT(Received(), ElementsAre(PackOf(1)));
  Add(2, 3);
  EXPECT_THAT(Received(), ElementsAre(PackOf(1), PackOf(2), PackOf(3)));
  EXPECT_EQ(server_.seen().front().topic, "channels/c1/messages");
  EXPECT_EQ(outbox_.totals().packs, 0U);
  EXPECT_EQ(exporter_->counts().published, 3U);
  EXPECT_EQ(exporter_->why(), "");
}

TEST_F(ExporterTest, AConnectionWithNothingToSayIsTriedWithAPackWithoutRecords) {
  Start();
  EXPECT_EQ(exporter_->why(), "");
  ASSERT_THAT(server_.seen(), SizeIs(1));
  EXPECT_EQ(server_.seen().front().payload, "[]");
  EXPECT_EQ(server_.seen().front().topic, "channels/c1/messages");
  EXPECT_EQ(exporter_->counts().published, 0U) << "no reading was sent";
  Add(1, 2);
  loop_.Advance(minutes(10));
  EXPECT_EQ(Tests(), 1U);

  // Each connection is tried anew, where no readings do it.
  server_.Cut("gw-1");
  loop_.RunReady();
  EXPECT_NE(exporter_->why(), "");
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, minutes(2)));
  EXPECT_EQ(Tests(), 2U);
  server_.Cut("gw-1");
  loop_.RunReady();
  Add(3, 3);
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, minutes(2)));
  EXPECT_EQ(Tests(), 2U);
  EXPECT_THAT(Received(), ElementsAre(PackOf(1), PackOf(2), PackOf(3)));
}

TEST_F(ExporterTest, AServerThatTakesTheConnectionAndAcknowledgesNothingIsNotTrusted) {
  server_.HoldAnswers(true);
  Start();
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  EXPECT_THAT(exporter_->why(), HasSubstr("has not acknowledged anything"));
  loop_.Advance(Exporter::kAnswerTime);
  EXPECT_THAT(exporter_->why(), HasSubstr("in time"));
  loop_.Advance(minutes(5));
  EXPECT_NE(exporter_->why(), "");
  EXPECT_LT(Tests(), 10U) << "one for each connection";
  server_.HoldAnswers(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, minutes(3)));
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(ExporterTest, ARefusalIsSeenBeforeThereAreReadings) {
  server_.RefusePublications(true);
  Start();
  EXPECT_EQ(exporter_->state(), Exporter::State::kRefused);
  EXPECT_THAT(exporter_->why(), HasSubstr("another key"));
  loop_.Advance(minutes(5));
  EXPECT_THAT(exporter_->why(), HasSubstr("another key"));
  EXPECT_LT(exporter_->counts().broken, 40U);
  server_.RefusePublications(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, Exporter::kBackoff.cap * 2));
  EXPECT_EQ(Tests(), 1U);
}

TEST_F(ExporterTest, WhatIsNotAnsweredIsNotMoreThanAWindow) {
  server_.HoldAnswers(true);
  for (int i = 1; i <= 200; ++i) ASSERT_TRUE(outbox_.Add(PackOf(i), Sha256(PackOf(i))).ok());
  Start();
  EXPECT_THAT(Received(), SizeIs(Exporter::kWindow));
  EXPECT_EQ(outbox_.totals().packs, 200U);

  // Killed: what comes twice is what was under way, and it is the same text.
  exporter_.reset();
  server_.HoldAnswers(false);
  Start();
  EXPECT_THAT(Received(), SizeIs(Exporter::kWindow + 200));
  std::map<std::string, int> copies;
  for (const auto& payload : Received()) ++copies[payload];
  EXPECT_THAT(copies, SizeIs(200));
  EXPECT_EQ(outbox_.totals().packs, 0U);
}

TEST_F(ExporterTest, WhatIsTooMuchForTheConnectionAtOnceGoesOnWithTheAnswers) {
  server_.set_max_outstanding_bytes(10 * PackOf(100).size());
  for (int i = 100; i < 300; ++i) ASSERT_TRUE(outbox_.Add(PackOf(i), Sha256(PackOf(i))).ok());
  server_.HoldAnswers(true);
  Start();
  EXPECT_THAT(Received(), SizeIs(10));
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  exporter_.reset();

  server_.HoldAnswers(false);
  Start();
  EXPECT_EQ(outbox_.totals().packs, 0U);
  EXPECT_EQ(exporter_->counts().broken, 0U);
  EXPECT_THAT(Received(), SizeIs(10 + 200));
}

TEST_F(ExporterTest, APackThatIsTooMuchByItselfIsTriedWithPauses) {
  server_.set_max_outstanding_bytes(PackOf(1).size() - 1);
  Start();
  Add(1, 1);
  EXPECT_EQ(exporter_->state(), Exporter::State::kWaiting);
  EXPECT_THAT(exporter_->why(), HasSubstr("too much waits"));
  loop_.Advance(minutes(5));
  EXPECT_LT(exporter_->counts().broken, 40U);
}

TEST_F(ExporterTest, AServerThatWasAwayGetsEverythingInOrder) {
  Start();
  server_.Kill();
  loop_.RunReady();
  Add(1, 500);
  loop_.Advance(minutes(10));
  EXPECT_EQ(exporter_->state(), Exporter::State::kWaiting);
  EXPECT_THAT(Received(), IsEmpty());
  server_.Start(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, Exporter::kBackoff.cap * 2));
  std::vector<std::string> expected;
  for (int i = 1; i <= 500; ++i) expected.push_back(PackOf(i));
  EXPECT_EQ(Received(), expected);
}

TEST_F(ExporterTest, AServerThatHangsUpOnWhatIsPublishedRefuses) {
  server_.RefusePublications(true);
  Start();
  Add(1, 1);
  EXPECT_EQ(exporter_->state(), Exporter::State::kRefused);
  EXPECT_THAT(exporter_->why(), HasSubstr("channels/c1/messages"));
  const auto attempts = [&] { return exporter_->counts().broken; };
  loop_.Advance(minutes(5));
  EXPECT_NE(exporter_->state(), Exporter::State::kSending);
  // With full jitter between 0 and a minute each: far from a tight loop.
  EXPECT_LT(attempts(), 40U);
  EXPECT_EQ(outbox_.totals().packs, 1U);

  server_.RefusePublications(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, Exporter::kBackoff.cap * 2));
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  EXPECT_EQ(exporter_->why(), "");
}

TEST_F(ExporterTest, APackThatTheServerHangsUpOnHoldsUpNoOthers) {
  bool takes_all = false;
  server_.RefuseThose([&](const MqttMessage& message) { return !takes_all && message.payload == PackOf(2); });
  for (int i = 1; i <= 100; ++i) ASSERT_TRUE(outbox_.Add(PackOf(i), Sha256(PackOf(i))).ok());
  Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->set_aside() == 1; }, minutes(10)));
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, minutes(2)));
  EXPECT_EQ(outbox_.totals().packs, 1U);
  EXPECT_EQ(exporter_->state(), Exporter::State::kSending);
  const std::vector<std::string> taken = Received();
  EXPECT_EQ(std::set<std::string>(taken.begin(), taken.end()).size(), 99U);
  EXPECT_THAT(taken, Not(Contains(PackOf(2))));
  // It is no worse for what comes after it.
  const auto broken = exporter_->counts().broken;
  Add(101, 200);
  EXPECT_EQ(outbox_.totals().packs, 1U);
  EXPECT_EQ(exporter_->counts().broken, broken);

  // Nothing is given up: an hour later the server may take it.
  takes_all = true;
  loop_.Advance(Exporter::kAsideTime);
  EXPECT_EQ(outbox_.totals().packs, 0U);
  EXPECT_THAT(Received(), Contains(PackOf(2)));
  EXPECT_EQ(exporter_->set_aside(), 0U);
}

TEST_F(ExporterTest, WhatIsDueAgainWhileAnotherPackIsSuspectedComesAfterIt) {
  bool takes_all = false;
  server_.RefuseThose([&](const MqttMessage& message) { return !takes_all && message.payload != "[]"; });
  Start();
  Add(1, 1);
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->set_aside() == 1; }, minutes(10)));
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->why().empty(); }, minutes(2)));
  loop_.Advance(Exporter::kAsideTime - seconds(40));
  const auto suspicious = exporter_->counts().broken + Exporter::kSuspicious;
  Add(2, 2);
  ASSERT_TRUE(loop_.RunUntil([&] { return exporter_->counts().broken == suspicious; }, seconds(30)));
  takes_all = true;
  server_.HoldAnswers(true);
  loop_.Advance(seconds(40));
  ASSERT_EQ(exporter_->set_aside(), 1U) << "not before the other is through";
  server_.HoldAnswers(false);
  server_.Cut("gw-1");
  EXPECT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, minutes(2)));
  EXPECT_EQ(exporter_->set_aside(), 0U);
}

TEST_F(ExporterTest, AServerThatComesAndGoesSetsNothingAside) {
  server_.HoldAnswers(true);
  ASSERT_TRUE(outbox_.Add(PackOf(1), Sha256(PackOf(1))).ok());
  Start();
  for (int i = 0; i < 20; ++i) {
    server_.Cut("gw-1");
    loop_.Advance(minutes(2));
  }
  EXPECT_EQ(exporter_->set_aside(), 0U) << "it has taken nothing at all";
  server_.HoldAnswers(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, minutes(5)));
}

TEST_F(ExporterTest, AServerThatIsNotThereRefusesNobody) {
  server_.HoldAnswers(true);
  Start();
  Add(1, 1);
  server_.Kill();
  loop_.Advance(minutes(2));
  EXPECT_NE(exporter_->state(), Exporter::State::kRefused);
  EXPECT_THAT(exporter_->why(), Not(HasSubstr("another key")));
}

TEST_F(ExporterTest, AConnectionThatBreaksAfterSomethingWasTakenIsNoRefusal) {
  Start();
  Add(1, 1);
  server_.HoldAnswers(true);
  Add(2, 2);
  server_.Cut("gw-1");
  loop_.RunReady();
  EXPECT_EQ(exporter_->state(), Exporter::State::kWaiting);
}

TEST_F(ExporterTest, AServerThatNeverAnswersIsLeft) {
  server_.HoldAnswers(true);
  Start();
  Add(1, 1);
  loop_.Advance(Exporter::kAnswerTime);
  EXPECT_NE(exporter_->state(), Exporter::State::kRefused);
  EXPECT_THAT(exporter_->why(), HasSubstr("in time"));
  server_.HoldAnswers(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, minutes(2)));
  EXPECT_THAT(Received(), Each(PackOf(1)));
}

TEST_F(ExporterTest, AnOutboxThatCannotBeReadIsTriedAgain) {
  ASSERT_TRUE(outbox_.Add(PackOf(1), Sha256(PackOf(1))).ok());
  outbox_.failure = absl::InternalError("I/O error");
  Start();
  EXPECT_THAT(exporter_->why(), HasSubstr("I/O error"));
  outbox_.failure = absl::OkStatus();
  ASSERT_TRUE(loop_.RunUntil([&] { return outbox_.totals().packs == 0; }, minutes(2)));
}

class BusReaderTest : public ExporterTest {
 protected:
  void StartReader() {
    reader_ = std::make_unique<BusReader>(loop_, random_, *to_bus_, intake_,
                                          BusReader::Options{"senml", "edgex/events/#"});
    reader_->Start();
    loop_.RunReady();
  }
  void PublishEvent(int value) {
    bus_.Inject({.topic = "edgex/events/device/s/p/d/r", .payload = EventOf(value)});
    loop_.RunReady();
  }

  FakeBroker bus_{loop_};
  std::unique_ptr<MqttDialer> to_bus_ = bus_.MakeDialer();
  std::vector<absl::Status> failures_;
  int added_ = 0;
  Intake intake_{outbox_, [this] { ++added_; },
                 [this](const absl::Status& why) { failures_.push_back(why); }};
  std::unique_ptr<BusReader> reader_;
};

TEST_F(BusReaderTest, KeepsThePacksOfTheBusesEvents) {
  StartReader();
  EXPECT_TRUE(reader_->connected());
  PublishEvent(1);
  bus_.Inject({.topic = "edgex/events/device/s/p/d/r", .payload = "not an event"});
  loop_.RunReady();
  ASSERT_EQ(outbox_.totals().packs, 1U);
  EXPECT_EQ(outbox_.After(0, 1).value().front().pack, PackOf(1));
  EXPECT_EQ(added_, 1);
  EXPECT_EQ(intake_.counts().events, 1U);
  EXPECT_EQ(intake_.counts().bad_messages, 1U);
}

TEST_F(BusReaderTest, WhatTheBusDeliversAgainIsLeftOut) {
  StartReader();
  PublishEvent(1);
  PublishEvent(1);
  PublishEvent(2);
  EXPECT_EQ(outbox_.totals().packs, 2U);
  EXPECT_EQ(added_, 2);
  EXPECT_EQ(intake_.counts().repeated, 1U);
}

TEST_F(BusReaderTest, WhatWasPublishedWhileItWasAwayComesLater) {
  StartReader();
  reader_.reset();
  PublishEvent(1);
  EXPECT_EQ(outbox_.totals().packs, 0U);
  StartReader();
  EXPECT_EQ(outbox_.totals().packs, 1U);

  bus_.Kill();
  loop_.RunReady();
  EXPECT_FALSE(reader_->connected());
  EXPECT_NE(reader_->why(), "");
  bus_.Start(true);
  ASSERT_TRUE(loop_.RunUntil([&] { return reader_->connected(); }, seconds(20)));
  PublishEvent(2);
  EXPECT_EQ(outbox_.totals().packs, 2U);
}

TEST_F(BusReaderTest, WhileNothingCanBeKeptTheBusIsLeftAloneAndTheServerIsServed) {
  StartReader();
  reader_.reset();
  PublishEvent(1);
  for (int i = 10; i < 15; ++i) ASSERT_TRUE(outbox_.Add(PackOf(i), Sha256(PackOf(i))).ok());
  outbox_.full = absl::ResourceExhaustedError("disk full");
  Start();
  StartReader();
  EXPECT_FALSE(reader_->connected());
  EXPECT_THAT(reader_->why(), HasSubstr("disk full"));
  EXPECT_THAT(Received(), SizeIs(5));
  EXPECT_EQ(outbox_.totals().packs, 0U);
  loop_.Advance(minutes(5));
  EXPECT_THAT(failures_, IsEmpty());

  outbox_.full = absl::OkStatus();
  ASSERT_TRUE(loop_.RunUntil([&] { return added_ == 1; }, BusReader::kBackoff.cap * 2));
  exporter_->Wake();
  loop_.RunReady();
  EXPECT_EQ(Received().back(), PackOf(1));
}

TEST_F(BusReaderTest, AnEventThatCannotBeKeptIsReportedBeforeTheBusIsTold) {
  StartReader();
  outbox_.failure = absl::ResourceExhaustedError("disk full");
  PublishEvent(1);
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_TRUE(absl::IsResourceExhausted(failures_.front()));
  EXPECT_EQ(added_, 0);
}

}  // namespace
}  // namespace slicelet::senml
