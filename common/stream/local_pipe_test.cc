#include "common/stream/testing/local_pipe.h"

#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"

namespace slicelet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Up = int;
using Down = std::string;

/// A server that keeps every pipe and answers each number with its text.
class LocalPipeTest : public testing::Test {
 protected:
  void Serve() {
    acceptor_ = link_.MakeAcceptor();
    acceptor_->Start([this](auto pipe, const std::string& peer) {
      accepted_.push_back(peer);
      pipes_.push_back(std::move(pipe));
      auto* raw = pipes_.back().get();
      return MessagePipe<Down, Up>::Handler{
          .on_message =
              [this, raw](Up number) {
                received_.push_back(number);
                raw->Send(std::to_string(number));
              },
          .on_closed = [this](const absl::Status& status) { server_closed_.push_back(Describe(status)); }};
    });
  }

  std::unique_ptr<MessagePipe<Up, Down>> Connect(const std::string& peer = "gw-1") {
    connector_ = link_.MakeConnector(peer);
    return connector_->Connect(
        {.on_message = [this](const Down& text) { answers_.push_back(text); },
         .on_closed = [this](const absl::Status& status) { client_closed_.push_back(Describe(status)); }});
  }

  SimLoop loop_;
  SeededRandom random_{7};
  LocalLink<Up, Down> link_{loop_, random_};
  std::unique_ptr<Acceptor<Down, Up>> acceptor_;
  std::unique_ptr<Connector<Up, Down>> connector_;
  std::vector<std::unique_ptr<MessagePipe<Down, Up>>> pipes_;
  std::vector<std::string> accepted_, server_closed_, client_closed_;
  std::vector<Up> received_;
  std::vector<Down> answers_;
};

TEST_F(LocalPipeTest, CarriesMessagesInOrderBothWays) {
  Serve();
  const auto pipe = Connect();
  for (int i = 1; i <= 3; ++i) pipe->Send(i);
  EXPECT_THAT(received_, IsEmpty());
  loop_.RunReady();
  EXPECT_THAT(accepted_, ElementsAre("gw-1"));
  EXPECT_THAT(received_, ElementsAre(1, 2, 3));
  EXPECT_THAT(answers_, ElementsAre("1", "2", "3"));
}

TEST_F(LocalPipeTest, KeepsTheOrderUnderRandomDelays) {
  Serve();
  link_.SetFaults({.max_delay = std::chrono::seconds(1)});
  const auto pipe = Connect();
  for (int i = 1; i <= 5; ++i) pipe->Send(i);
  loop_.Advance(std::chrono::seconds(10));
  EXPECT_THAT(received_, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(LocalPipeTest, ReorderedMessagesOvertake) {
  Serve();
  const auto pipe = Connect();
  link_.SetFaults({.reorder = 500'000, .max_delay = std::chrono::seconds(1)});
  std::vector<int> sent;
  for (int i = 0; i < 50; ++i) sent.push_back(i), pipe->Send(i);
  loop_.Advance(std::chrono::seconds(10));
  EXPECT_NE(received_, sent);
  std::sort(received_.begin(), received_.end());
  EXPECT_EQ(received_, sent);
}

TEST_F(LocalPipeTest, DropsAndDuplicatesAsOftenAsAsked) {
  Serve();
  const auto pipe = Connect();
  link_.SetFaults({.drop = 1'000'000});
  pipe->Send(1);
  loop_.RunReady();
  EXPECT_THAT(received_, IsEmpty());
  link_.SetFaults({.duplicate = 1'000'000});
  pipe->Send(2);
  loop_.RunReady();
  EXPECT_THAT(received_, ElementsAre(2, 2));
}

TEST_F(LocalPipeTest, ConnectingToNobodyFails) {
  const auto pipe = Connect();
  loop_.RunReady();
  EXPECT_THAT(client_closed_, ElementsAre("UNAVAILABLE: connection refused"));
}

TEST_F(LocalPipeTest, ClosingDeliversWhatWasSentThenTellsThePeer) {
  Serve();
  auto pipe = Connect();
  pipe->Send(1);
  pipe.reset();
  loop_.RunReady();
  EXPECT_THAT(received_, ElementsAre(1));
  EXPECT_THAT(server_closed_, ElementsAre("UNAVAILABLE: the peer closed the connection"));
  EXPECT_THAT(client_closed_, IsEmpty());
}

TEST_F(LocalPipeTest, ASilentPeerNoticesNothing) {
  Serve();
  const auto pipe = Connect();
  loop_.RunReady();
  link_.SetSilence("gw-1", Silence::kDown);
  pipe->Send(1);
  loop_.RunReady();
  EXPECT_THAT(received_, ElementsAre(1));
  EXPECT_THAT(answers_, IsEmpty());
  pipes_.clear();
  loop_.RunReady();
  EXPECT_THAT(client_closed_, IsEmpty());
}

TEST_F(LocalPipeTest, ABreakIsHeardAtBothEnds) {
  Serve();
  const auto pipe = Connect();
  loop_.RunReady();
  link_.Break("gw-1");
  loop_.RunReady();
  EXPECT_THAT(client_closed_, ElementsAre("UNAVAILABLE: the connection broke"));
  EXPECT_THAT(server_closed_, ElementsAre("UNAVAILABLE: the connection broke"));
  pipe->Send(1);
  loop_.RunReady();
  EXPECT_THAT(received_, IsEmpty());
}

TEST_F(LocalPipeTest, TheAcceptorMayRefuseAtOnce) {
  acceptor_ = link_.MakeAcceptor();
  acceptor_->Start([](auto, const std::string&) { return MessagePipe<Down, Up>::Handler{}; });
  const auto pipe = Connect();
  loop_.RunReady();
  EXPECT_THAT(client_closed_, ElementsAre("UNAVAILABLE: the peer closed the connection"));
}

}  // namespace
}  // namespace slicelet
