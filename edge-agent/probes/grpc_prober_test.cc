#include "edge-agent/probes/grpc_prober.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "edge-agent/probes/testing/fake_prober.h"

namespace slicelet::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GrpcProberTest : public ::testing::Test {
 protected:
  GrpcProberTest() {
    auto others = std::make_unique<FakeProber>(loop_);
    others_ = others.get();
    prober_ = MakeGrpcProber(loop_, std::move(others));
  }

  /// gRPC's own server, with its own health service unless told otherwise.
  void Serve(bool health = true) {
    grpc::EnableDefaultHealthCheckService(health);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    nothing_else_ = std::make_unique<grpc::CallbackGenericService>();
    builder.RegisterCallbackGenericService(nothing_else_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void SetServing(const std::string& service, bool serving) {
    server_->GetHealthCheckService()->SetServingStatus(service, serving);
  }

  absl::Status Check(const std::string& service, Duration timeout = kPatience) {
    v1::Handler handler;
    handler.mutable_grpc()->set_port(port_);
    handler.mutable_grpc()->set_service(service);
    return Check(handler, timeout);
  }

  absl::Status Check(const v1::Handler& handler, Duration timeout) {
    std::optional<absl::Status> result;
    prober_->Check(handler, "127.0.0.1", timeout, [&](const absl::Status& status) { result = status; });
    while (!result) static_cast<boost::asio::io_context*>(loop_.io_context())->run_one();
    return *result;
  }

  AsioLoop loop_;
  FakeProber* others_ = nullptr;
  std::unique_ptr<Prober> prober_;
  /// Answers Unimplemented.
  std::unique_ptr<grpc::CallbackGenericService> nothing_else_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

TEST_F(GrpcProberTest, FollowsTheHealthOfTheServerAndOfEachService) {
  Serve();
  EXPECT_TRUE(Check("").ok());
  SetServing("orders", true);
  EXPECT_TRUE(Check("orders").ok());
  SetServing("orders", false);
  EXPECT_EQ(Message(Check("orders")), "service unhealthy (responded with \"NOT_SERVING\")");
  EXPECT_TRUE(Check("").ok());
  EXPECT_EQ(Message(Check("absent")), "error: the server knows no service \"absent\"");
  SetServing("orders", true);
  EXPECT_TRUE(Check("orders").ok());
}

TEST_F(GrpcProberTest, SaysThatTheServerHasNoHealthService) {
  Serve(false);
  EXPECT_NE(Message(Check("")).find("does not implement"), std::string::npos);
}

TEST_F(GrpcProberTest, AServerThatComesBackIsSeenAtOnce) {
  Serve();
  EXPECT_TRUE(Check("").ok());
  // Bound beside the server, and not listening: nobody else gets the port when the server is gone.
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor reserved(io, boost::asio::ip::tcp::v4());
  const int beside = 1;
  ASSERT_EQ(setsockopt(reserved.native_handle(), SOL_SOCKET, SO_REUSEPORT, &beside, sizeof(beside)), 0);
  reserved.bind({boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port_)});
  server_->Shutdown();
  server_.reset();
  const absl::Status gone = Check("");
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(Message(gone).find("failed to connect to ipv4:127.0.0.1:"), std::string::npos) << gone;
  Serve();
  EXPECT_TRUE(Check("").ok());
}

TEST_F(GrpcProberTest, SilenceRunsIntoTheTimeout) {
  boost::asio::io_context io;
  const boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  port_ = silent.local_endpoint().port();
  EXPECT_EQ(Check("", milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(GrpcProberTest, SaysNothingMoreOnceItIsGone) {
  boost::asio::io_context io;
  const boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  v1::Handler handler;
  handler.mutable_grpc()->set_port(silent.local_endpoint().port());
  bool answered = false;
  prober_->Check(handler, "127.0.0.1", seconds(20), [&](const absl::Status&) { answered = true; });
  prober_.reset();
  static_cast<boost::asio::io_context*>(loop_.io_context())->poll();
  EXPECT_FALSE(answered);
}

TEST_F(GrpcProberTest, HandsOtherChecksOn) {
  v1::Handler handler;
  handler.mutable_tcp_socket()->set_port(7);
  others_->Set(7, absl::FailedPreconditionError("refused"));
  EXPECT_EQ(Message(Check(handler, seconds(1))), "refused");
}

}  // namespace
}  // namespace slicelet::agent
