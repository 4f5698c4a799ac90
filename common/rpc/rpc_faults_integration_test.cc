// What certificates that are replaced and links that fall silent do to the connections.
#include <gmock/gmock.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "common/base/testing/temporary_directory.h"
#include "common/log/log.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet {
namespace {

using tcp = boost::asio::ip::tcp;
using HostPipe = MessagePipe<v1::HostMessage, v1::HubMessage>;
using HubPipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

/// Passes bytes both ways until it is frozen: then it keeps its connections and says nothing any more, as a
/// NAT that forgot them does.
class FreezableProxy {
 public:
  explicit FreezableProxy(int target) : target_(target) {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FreezableProxy() { Freeze(); }
  FreezableProxy(const FreezableProxy&) = delete;
  FreezableProxy& operator=(const FreezableProxy&) = delete;

  [[nodiscard]] int port() const { return acceptor_.local_endpoint().port(); }
  void Freeze() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Connection {
    explicit Connection(boost::asio::io_context& io) : near(io), far(io) {}
    tcp::socket near, far;
    std::array<std::array<char, 16'384>, 2> buffers{};
  };

  void Accept() {
    auto connection = std::make_shared<Connection>(io_);
    acceptor_.async_accept(connection->near, [this, connection](const boost::system::error_code& error) {
      if (error) return;
      boost::system::error_code failed;
      const tcp::endpoint target(boost::asio::ip::address_v4::loopback(),
                                 static_cast<std::uint16_t>(target_));
      if (!connection->far.connect(target, failed)) {
        Pump(connection, connection->near, connection->far, 0);
        Pump(connection, connection->far, connection->near, 1);
      }
      Accept();
    });
  }
  static void Pump(const std::shared_ptr<Connection>& connection, tcp::socket& from, tcp::socket& to,
                   std::size_t way) {
    auto& buffer = connection->buffers[way];
    from.async_read_some(boost::asio::buffer(buffer),
                         [&, connection, way](const auto& error, std::size_t size) {
                           if (error) {
                             boost::system::error_code gone;
                             if (to.shutdown(tcp::socket::shutdown_send, gone))
                               LogDebug("the other end is gone", {{"error", gone.message()}});
                             return;
                           }
                           boost::asio::async_write(to, boost::asio::buffer(buffer, size),
                                                    [&, connection, way](const auto& failed, std::size_t) {
                                                      if (!failed) Pump(connection, from, to, way);
                                                    });
                         });
  }

  const int target_;
  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::thread thread_;
};

class RpcFaultsTest : public testing::Test {
 protected:
  RpcFaultsTest() {
    edge_link_.sessions().Start([this](std::unique_ptr<HubPipe> pipe, const std::string&) {
      hub_pipes_.push_back(std::move(pipe));
      auto* raw = hub_pipes_.back().get();
      return HubPipe::Handler{
          .on_message =
              [raw](const v1::HostMessage& message) {
                v1::HubMessage answer;
                answer.set_session(message.session());
                raw->Send(answer);
              },
          .on_closed = [this](const absl::Status& status) { hub_closed_.push_back(status); }};
    });
  }

  int Listen(RpcTls tls, RpcKeepalive keepalive = {}) {
    RpcServer::Listener listener;
    listener.address = "127.0.0.1:0";
    listener.tls = std::move(tls);
    listener.services = {{&edge_link_, [](const RpcPeer&) { return absl::OkStatus(); }}};
    listener.keepalive = keepalive;
    const auto port = server_.Listen(listener);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.value_or(0);
  }
  std::unique_ptr<RpcClient> Dial(int port, RpcTls tls, RpcKeepalive keepalive = {}) {
    RpcClient::Options options;
    options.address = "localhost:" + std::to_string(port);
    options.tls = std::move(tls);
    options.keepalive = keepalive;
    auto client = RpcClient::Make(loop_, std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return std::move(*client);
  }
  std::unique_ptr<HostPipe> Connect(RpcClient& client) {
    connector_ = MakeHubConnector(client);
    answers_ = 0;
    closed_.clear();
    auto pipe =
        connector_->Connect({.on_message = [this](const v1::HubMessage&) { ++answers_; },
                             .on_closed = [this](const absl::Status& status) { closed_.push_back(status); }});
    v1::HostMessage message;
    message.set_session(1);
    pipe->Send(message);
    return pipe;
  }
  /// Files that are replaced one by one, as by hand.
  RpcTls WriteFiles(const std::string& who, const TestAuthority& authority) {
    RpcTls tls;
    const auto issued = authority.Issue(who);
    tls.key_file = Write(who + ".key", issued.key_pem);
    tls.certificate_file = Write(who + ".crt", issued.certificate_pem);
    tls.ca_file = Write(who + "-ca.crt", authority.ca_pem());
    tls.reload = std::chrono::seconds(1);
    return tls;
  }
  std::string Write(const std::string& file, const std::string& text) {
    const std::string path = directory_.File(file);
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  void RunUntil(const std::function<bool()>& done) {
    ASSERT_TRUE(RunLoopUntil(loop_, done)) << "nothing happened for too long";
  }
  /// Connects again and again until a connection ends as `wanted`.
  std::unique_ptr<HostPipe> ConnectUntil(RpcClient& client, bool wanted) {
    const auto begin = loop_.Now();
    while (loop_.Now() - begin < kPatience) {
      auto pipe = Connect(client);
      RunUntil([&] { return answers_ > 0 || !closed_.empty(); });
      if ((answers_ > 0) == wanted) return pipe;
      bool paused = false;
      loop_.RunAfter(std::chrono::milliseconds(200), [&] { paused = true; });
      RunUntil([&] { return paused; });
    }
    ADD_FAILURE() << (wanted ? "no connection succeeds" : "connections still succeed");
    return nullptr;
  }

  TemporaryDirectory directory_;
  AsioLoop loop_;
  EdgeLinkService edge_link_{loop_};
  RpcServer server_;
  std::vector<std::unique_ptr<HubPipe>> hub_pipes_;
  std::vector<absl::Status> closed_, hub_closed_;
  int answers_ = 0;
  std::unique_ptr<Connector<v1::HostMessage, v1::HubMessage>> connector_;
};

TEST_F(RpcFaultsTest, ReplacedFilesCountForNewConnectionsOnBothSides) {
  const TestAuthority before("before"), after("after");
  const auto client = Dial(Listen(WriteFiles("server", before)), WriteFiles("client", before));
  const auto pipe = Connect(*client);
  RunUntil([&] { return answers_ == 1; });
  const auto held = std::move(connector_);

  WriteFiles("server", after);
  ConnectUntil(*client, false);
  WriteFiles("client", after);
  ConnectUntil(*client, true);

  // What stood before stands still.
  EXPECT_TRUE(hub_closed_.empty() || hub_closed_.size() < hub_pipes_.size());
}

TEST_F(RpcFaultsTest, BothEndsNoticeALinkThatFellSilent) {
  const TestAuthority authority;
  const RpcKeepalive keepalive{.interval = std::chrono::seconds(1), .timeout = std::chrono::seconds(2)};
  const int port = Listen(authority.IssueTls("slicelet-provider"), keepalive);
  FreezableProxy proxy(port);
  const auto client = Dial(proxy.port(), authority.IssueTls("gw-1"), keepalive);
  // A machine that is busy for longer than the keepalive waits may lose a connection before its time.
  const auto pipe = ConnectUntil(*client, true);

  proxy.Freeze();
  RunUntil([&] { return !closed_.empty() && hub_closed_.size() == hub_pipes_.size(); });
  EXPECT_EQ(closed_.back().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(hub_closed_.back().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RpcFaultsTest, AnIdleLinkThatAnswersStays) {
  const TestAuthority authority;
  const RpcKeepalive keepalive{.interval = std::chrono::seconds(1), .timeout = kPatience};
  const int port = Listen(authority.IssueTls("slicelet-provider"), keepalive);
  const auto client = Dial(port, authority.IssueTls("gw-1"), keepalive);
  const auto pipe = Connect(*client);
  RunUntil([&] { return answers_ == 1; });
  // More pings than a server tolerates that was not told of them.
  bool over = false;
  loop_.RunAfter(std::chrono::seconds(6), [&] { over = true; });
  RunUntil([&] { return over; });
  EXPECT_TRUE(closed_.empty()) << closed_.front();
  v1::HostMessage message;
  pipe->Send(message);
  RunUntil([&] { return answers_ == 2; });
}

}  // namespace
}  // namespace slicelet
