#include "provider/api/shim_server.h"

#include <gtest/gtest.h>

#include <map>

#include "common/loop/testing/sim_loop.h"
#include "common/stream/testing/local_pipe.h"

namespace slicelet::provider {
namespace {

using std::chrono::seconds;

class ShimServerTest : public testing::Test, public ShimServer::Listener {
 protected:
  ShimServerTest()
      : random_(1),
        link_(loop_, random_),
        acceptor_(link_.MakeAcceptor()),
        server_({.hub_id = "hub-1", .incarnation = "i1", .highest_incarnation = 5}, loop_, *acceptor_,
                *this) {
    server_.Start();
  }

  void OnShimHello() override { ++hellos_; }
  void OnShimMessage(const v1::ShimMessage&) override { ++messages_; }
  void OnShimGone() override { ++gone_; }

  struct Client {
    std::unique_ptr<Connector<v1::ShimMessage, v1::ProviderMessage>> connector;
    std::unique_ptr<MessagePipe<v1::ShimMessage, v1::ProviderMessage>> pipe;
    std::optional<v1::HelloAck> ack;
    bool closed = false;
  };
  Client& Hello(const std::string& id, std::uint64_t incarnation, const std::string& peer = "") {
    Client& client = clients_[id + std::to_string(clients_.size())];
    client.connector = link_.MakeConnector(peer);
    client.pipe = client.connector->Connect({[&client](const v1::ProviderMessage& message) {
                                               if (message.has_hello_ack()) client.ack = message.hello_ack();
                                             },
                                             [&client](const absl::Status&) { client.closed = true; }});
    v1::ShimMessage hello;
    hello.mutable_hello()->set_shim_id(id);
    hello.mutable_hello()->set_incarnation(incarnation);
    client.pipe->Send(hello);
    loop_.RunReady();
    return client;
  }

  SimLoop loop_;
  SeededRandom random_;
  LocalLink<v1::ShimMessage, v1::ProviderMessage> link_;
  std::unique_ptr<Acceptor<v1::ProviderMessage, v1::ShimMessage>> acceptor_;
  ShimServer server_;
  std::map<std::string, Client> clients_;
  int hellos_ = 0;
  int messages_ = 0;
  int gone_ = 0;
};

TEST_F(ShimServerTest, AnOlderIncarnationIsRefusedAndANewerOneTakesOver) {
  Client& old = Hello("a", 4);
  EXPECT_TRUE(old.ack->refused());
  EXPECT_EQ(old.ack->highest_incarnation(), 5U);
  EXPECT_TRUE(old.closed);
  Client& first = Hello("b", 6);
  EXPECT_FALSE(first.ack->refused());
  Client& second = Hello("c", 7);
  EXPECT_FALSE(second.ack->refused());
  EXPECT_TRUE(first.closed);
  EXPECT_EQ(gone_, 0) << "a take-over is no absence";
  EXPECT_TRUE(Hello("b", 6).ack->refused());
  EXPECT_EQ(second.ack->highest_incarnation(), 0U);
  EXPECT_EQ(hellos_, 2);
  first.pipe->Send({});
  loop_.RunReady();
  EXPECT_EQ(messages_, 0);
  second.pipe->Send({});
  loop_.RunReady();
  EXPECT_EQ(messages_, 1);
}

TEST_F(ShimServerTest, TheSameShimMayReconnect) {
  Hello("a", 6);
  EXPECT_FALSE(Hello("a", 6).ack->refused());
  EXPECT_TRUE(Hello("b", 6).ack->refused());
}

TEST_F(ShimServerTest, ALowerIncarnationIsTakenOnceTheHigherOneStayedAway) {
  Client& first = Hello("a", 9);
  first.pipe->Close();
  loop_.RunReady();
  EXPECT_EQ(gone_, 1);
  EXPECT_FALSE(server_.connected());
  EXPECT_TRUE(Hello("b", 2).ack->refused());
  loop_.Advance(seconds(61));
  EXPECT_FALSE(Hello("b", 2).ack->refused());
  EXPECT_EQ(server_.highest_incarnation(), 2U);
}

TEST_F(ShimServerTest, AnotherCertificateOrSilenceIsClosed) {
  EXPECT_TRUE(Hello("gw-1", 9, "gw-1").closed);
  EXPECT_FALSE(Hello("a", 9, "slicelet-shim").closed);
  Client silent;
  silent.connector = link_.MakeConnector("");
  silent.pipe = silent.connector->Connect(
      {[](const v1::ProviderMessage&) {}, [&silent](const absl::Status&) { silent.closed = true; }});
  loop_.Advance(seconds(31));
  EXPECT_TRUE(silent.closed);
}

}  // namespace
}  // namespace slicelet::provider
