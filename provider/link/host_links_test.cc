#include "provider/link/host_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "common/base/testing/fake_clock.h"
#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"
#include "provider/manifest/generation.h"

namespace slicelet::provider {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const HostId kHost("gw-1");

/// Notes whom it shall forget.
class NotingAcceptor : public HostLinks::HostAcceptor {
 public:
  explicit NotingAcceptor(std::unique_ptr<HostLinks::HostAcceptor> acceptor)
      : acceptor_(std::move(acceptor)) {}
  void Start(OnAccept on_accept) override { acceptor_->Start(std::move(on_accept)); }
  void Forget(const std::string& peer) override { forgotten.push_back(peer); }

  std::vector<std::string> forgotten;

 private:
  const std::unique_ptr<HostLinks::HostAcceptor> acceptor_;
};

class HostLinksTest : public testing::Test, public LinkListener {
 protected:
  HostLinksTest()
      : clock_(loop_),
        random_(1),
        link_(loop_, random_),
        acceptor_(link_.MakeAcceptor()),
        links_({.hub_id = "hub-1", .incarnation = "i1"}, loop_, clock_, acceptor_, *this) {
    links_.Start();
    links_.Add(kHost, 40);
  }

  absl::Status Admit(const HostId&) override { return admit_; }
  bool OnBirth(const HostId&, const v1::Birth&, std::uint64_t) override { return false; }
  void OnWelcomed(const HostId& host, const v1::Birth&) override {
    ++births_;
    welcomed_.push_back(host.value());
  }
  void OnAccepted(const HostId&, const v1::Accepted&) override {}
  void OnRejected(const HostId&, const v1::Rejected&) override {}
  void OnStatus(const HostId&, const v1::StatusReport& report) override {
    applied_.push_back(report.sequence());
  }
  void OnReply(const HostId&, const v1::Reply&) override {}
  void OnCredentialRequest(const HostId&, const v1::CredentialRequest&) override {}
  void OnReachChanged(const HostId&) override {}
  absl::StatusOr<std::string> ReadBlob(const HostId&, const Digest& digest) override {
    if (digest == Digest("big")) return std::string(200'000, 'b');
    return absl::NotFoundError("none");
  }

  void Dial(const std::string& peer = "gw-1") {
    if (!connector_) connector_ = link_.MakeConnector(peer);
    pipe_ = connector_->Connect({[this](v1::HubMessage message) { received_.push_back(std::move(message)); },
                                 [this](const absl::Status&) { closed_ = true; }});
  }
  void Birth(std::uint64_t session, const std::string& host = "gw-1") {
    v1::HostMessage message;
    message.mutable_birth()->set_host_id(host);
    Say(session, message);
  }
  void Say(std::uint64_t session, v1::HostMessage message) {
    message.set_session(session);
    pipe_->Send(message);
    loop_.RunReady();
  }
  void Status(std::uint64_t session, std::uint64_t sequence, bool full) {
    v1::HostMessage message;
    message.mutable_status()->set_sequence(sequence);
    message.mutable_status()->set_full(full);
    Say(session, message);
  }
  v1::HubMessage Next() {
    if (received_.empty()) return {};
    v1::HubMessage message = std::move(received_.front());
    received_.pop_front();
    return message;
  }
  HostSession& session() { return *links_.Find(kHost); }

  SimLoop loop_;
  FakeClock clock_;
  SeededRandom random_;
  LocalLink<v1::HostMessage, v1::HubMessage> link_;
  NotingAcceptor acceptor_;
  absl::Status admit_;
  std::vector<std::string> welcomed_;
  HostLinks links_;
  std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> connector_;
  std::unique_ptr<MessagePipe<v1::HostMessage, v1::HubMessage>> pipe_;
  std::deque<v1::HubMessage> received_;
  std::vector<std::uint64_t> applied_;
  bool closed_ = false;
  int births_ = 0;
};

TEST_F(HostLinksTest, ABirthIsWelcomed) {
  Dial();
  Birth(41);
  const v1::Welcome welcome = Next().welcome();
  EXPECT_EQ(welcome.hub_id(), "hub-1");
  EXPECT_EQ(welcome.heartbeat_ms(), 60'000);
  EXPECT_LT(welcome.session_floor(), 41U);
  EXPECT_EQ(session().reach(), Reach::kConnected);
  EXPECT_EQ(births_, 1);
}

TEST_F(HostLinksTest, AnOldSessionLearnsTheFloorAndMayBeginAgain) {
  Dial();
  Birth(3);
  EXPECT_EQ(Next().welcome().session_floor(), 40U);
  EXPECT_EQ(births_, 0);
  Birth(41);
  EXPECT_EQ(births_, 1);
}

TEST_F(HostLinksTest, AnotherHostsNameIsRefused) {
  Dial("gw-2");
  Birth(41, "gw-1");
  EXPECT_TRUE(closed_);
  EXPECT_EQ(births_, 0);
}

TEST_F(HostLinksTest, AHostThatMayNotConnectIsClosedAndOneNotYetKnownWaits) {
  admit_ = absl::UnavailableError("not listed yet");
  Dial();
  Birth(41);
  EXPECT_EQ(births_, 0);
  EXPECT_FALSE(closed_);
  admit_ = absl::OkStatus();
  links_.Readmit();
  loop_.RunReady();
  EXPECT_EQ(births_, 1);

  admit_ = absl::PermissionDeniedError("revoked");
  Dial();
  Birth(42);
  EXPECT_TRUE(closed_);
  EXPECT_EQ(births_, 1);
}

TEST_F(HostLinksTest, ThoseWhoWaitAreServedInTheOrderInWhichTheyCame) {
  admit_ = absl::UnavailableError("not listed yet");
  std::vector<std::string> came;
  std::vector<decltype(connector_)> connectors;
  std::vector<decltype(pipe_)> pipes;
  for (int host = 30; host > 0; --host) {
    came.push_back("gw-" + std::to_string(host * 7 % 31));
    links_.Add(HostId(came.back()), 40);
    connector_.reset();
    Dial(came.back());
    Birth(41, came.back());
    connectors.push_back(std::move(connector_));
    pipes.push_back(std::move(pipe_));
  }
  admit_ = absl::OkStatus();
  links_.Readmit();
  loop_.RunReady();
  EXPECT_EQ(welcomed_, came);
}

TEST_F(HostLinksTest, WhoMayNotConnectAnyMoreIsForgottenOnTheWay) {
  Dial();
  admit_ = absl::UnavailableError("not known yet");
  Birth(41);
  EXPECT_TRUE(acceptor_.forgotten.empty());
  admit_ = absl::PermissionDeniedError("revoked");
  links_.Readmit();
  EXPECT_EQ(acceptor_.forgotten, std::vector<std::string>{"gw-1"});
  links_.Remove(kHost);
  EXPECT_EQ(acceptor_.forgotten.size(), 2U);
}

TEST_F(HostLinksTest, AHostSaysWhatItRefused) {
  Dial();
  Birth(41);
  v1::HostMessage message;
  message.mutable_heartbeat()->set_refused(7);
  Say(41, message);
  EXPECT_EQ(session().refused(), 7U);
}

TEST_F(HostLinksTest, AHostSaysHowMuchItReceives) {
  Dial();
  Birth(41);
  EXPECT_EQ(session().receive_rate(), std::nullopt);
  v1::HostMessage message;
  message.mutable_heartbeat()->set_receive_rate(12'500);
  Say(41, message);
  EXPECT_EQ(session().receive_rate(), 12'500U);
  message.mutable_heartbeat()->clear_receive_rate();
  Say(41, message);
  EXPECT_EQ(session().receive_rate(), std::nullopt) << "it can not tell any more";
}

TEST_F(HostLinksTest, MessagesOfOlderSessionsAreIgnored) {
  Dial();
  Birth(41);
  Birth(42);
  Status(41, 1, true);
  EXPECT_TRUE(applied_.empty());
  Status(42, 1, true);
  EXPECT_EQ(applied_, (std::vector<std::uint64_t>{1}));
}

TEST_F(HostLinksTest, AGapAsksForAFullReport) {
  Dial();
  Birth(41);
  received_.clear();
  Status(41, 1, true);
  EXPECT_EQ(Next().status_ack().sequence(), 1U);
  Status(41, 3, false);
  EXPECT_TRUE(Next().has_resync());
  Status(41, 2, false);
  EXPECT_EQ(Next().status_ack().sequence(), 2U);
  Status(41, 2, false);
  EXPECT_EQ(Next().status_ack().sequence(), 2U);
  Status(41, 9, true);
  EXPECT_EQ(applied_, (std::vector<std::uint64_t>{1, 2, 9}));
}

TEST_F(HostLinksTest, TheNewestDesiredIsRepeatedUntilAccepted) {
  Dial();
  Birth(41);
  received_.clear();
  session().Deliver({}, {1, 2});
  loop_.Advance(seconds(16));
  EXPECT_EQ(received_.size(), 2U);
  v1::HostMessage accepted;
  *accepted.mutable_accepted()->mutable_generation() = ToProto({1, 2});
  Say(41, accepted);
  received_.clear();
  loop_.Advance(minutes(1));
  EXPECT_TRUE(received_.empty());
}

TEST_F(HostLinksTest, ABrokenLinkMayResumeWithinTheGrace) {
  Dial();
  Birth(41);
  link_.Break("gw-1");
  loop_.Advance(seconds(29));
  EXPECT_EQ(session().reach(), Reach::kResuming);
  Dial();
  Birth(42);
  loop_.Advance(seconds(30));
  EXPECT_EQ(session().reach(), Reach::kConnected);
  link_.Break("gw-1");
  loop_.Advance(seconds(31));
  EXPECT_EQ(session().reach(), Reach::kUnreachable);
  EXPECT_EQ(session().link()->reason(), "LinkBroken");
}

TEST_F(HostLinksTest, ThreeMissedHeartbeatsOrAGoodbyeMakeAHostUnreachable) {
  Dial();
  Birth(41);
  v1::HostMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_want_ack(true);
  loop_.Advance(seconds(170));
  Say(41, heartbeat);
  loop_.Advance(seconds(170));
  EXPECT_EQ(session().reach(), Reach::kConnected);
  loop_.Advance(seconds(20));
  EXPECT_EQ(session().link()->reason(), "Silence");
  EXPECT_TRUE(closed_);

  Dial();
  Birth(42);
  v1::HostMessage goodbye;
  goodbye.mutable_goodbye()->set_reason("reboot");
  Say(42, goodbye);
  EXPECT_EQ(session().link()->reason(), "Goodbye");
}

TEST_F(HostLinksTest, AHostThatNeverComesIsUnreachableAfterTheGrace) {
  EXPECT_FALSE(session().link().has_value());
  loop_.Advance(seconds(31));
  EXPECT_EQ(session().link()->reason(), "NotConnected");
}

TEST_F(HostLinksTest, BlobsComeInChunksAndAbsentOnesAreSaid) {
  Dial();
  Birth(41);
  received_.clear();
  v1::HostMessage fetch;
  fetch.mutable_fetch()->add_wants()->set_digest("big");
  fetch.mutable_fetch()->mutable_wants(0)->set_offset(65'536);
  fetch.mutable_fetch()->add_wants()->set_digest("nowhere");
  Say(41, fetch);
  ASSERT_EQ(received_.size(), 4U);
  EXPECT_EQ(received_[0].blob().offset(), 65'536U);
  EXPECT_EQ(received_[0].blob().total(), 200'000U);
  EXPECT_EQ(received_[2].blob().data().size(), 200'000U - 3 * 65'536U);
  EXPECT_TRUE(received_[3].blob().missing());
}

TEST_F(HostLinksTest, AHostHasNoMoreConnectionsWithoutABirthThanTwo) {
  std::vector<decltype(pipe_)> silent;
  const auto stranger = link_.MakeConnector("gw-stolen");
  int closed = 0;
  for (std::size_t i = 0; i < HostLinks::kMaxUnborn + 10; ++i) {
    silent.push_back(
        stranger->Connect({[](const v1::HubMessage&) {}, [&](const absl::Status&) { ++closed; }}));
    loop_.RunReady();
  }
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(closed, static_cast<int>(HostLinks::kMaxUnborn + 10 - HostLinks::kMaxUnbornOfHost));
  Dial();
  Birth(41);
  EXPECT_EQ(births_, 1) << "others come in all the same";
}

TEST_F(HostLinksTest, AConnectionWithoutABirthIsClosed) {
  Dial();
  loop_.Advance(seconds(31));
  EXPECT_TRUE(closed_);
}

}  // namespace
}  // namespace slicelet::provider
