// How streams end when one of their ends does not read.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/loop/testing/scaled_loop.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/testing/test_authority.h"

namespace slicelet {
namespace {

constexpr std::size_t kFrameBytes = 32'768;

v1::StreamFrame Data(std::string text) {
  v1::StreamFrame frame;
  frame.set_data(std::move(text));
  return frame;
}

/// Reads everything from one end and notes how it ended.
struct Reader {
  explicit Reader(FrameStream& stream) : stream(stream) { Next(); }
  void Next() {
    stream.Read([this](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok()) {
        end = Describe(frame.status());
      } else if (!frame->has_value()) {
        end = "end";
      } else {
        sizes.push_back((*frame)->data().size());
        Next();
      }
    });
  }
  FrameStream& stream;
  std::vector<std::size_t> sizes;
  std::string end;
};

/// Tunnels over real TLS on loopback.
class RpcStreamsTest : public testing::Test {
 protected:
  void SetUp() override {
    edge_link_.ServeTunnels([this](std::unique_ptr<FrameStream> tunnel, const std::string&) {
      tunnels_.push_back(std::move(tunnel));
    });
    RpcServer::Listener listener;
    listener.address = "127.0.0.1:0";
    listener.tls = authority_.IssueTls("slicelet-provider");
    listener.services = {{&edge_link_, [](const RpcPeer&) { return absl::OkStatus(); }}};
    const auto port = server_.Listen(listener);
    ASSERT_TRUE(port.ok()) << port.status();
    RpcClient::Options options;
    options.address = "localhost:" + std::to_string(*port);
    options.tls = authority_.IssueTls("gw-1");
    auto client = RpcClient::Make(hasty_, std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = std::move(*client);
  }

  struct Ends {
    std::unique_ptr<FrameStream> host, hub;
  };
  Ends Open() {
    Ends ends;
    ends.host = DialTunnel(*client_);
    RunUntil([this] { return !tunnels_.empty(); });
    ends.hub = std::move(tunnels_.back());
    tunnels_.clear();
    return ends;
  }
  void RunUntil(const std::function<bool()>& done) {
    ASSERT_TRUE(RunLoopUntil(loop_, done)) << "nothing happened for too long";
  }
  void Pause(Duration duration) {
    bool over = false;
    loop_.RunAfter(duration, [&] { over = true; });
    RunUntil([&] { return over; });
  }

  /// Writes until the other end's window is full; the last write stays under way.
  void Fill(FrameStream& stream) {
    const auto written = std::make_shared<int>(0);
    const auto write = std::make_shared<std::function<void()>>();
    *write = [&stream, written, weak = std::weak_ptr(write)] {
      stream.Write(Data(std::string(kFrameBytes, 'x')), [written, write = weak.lock()](const auto& status) {
        if (!status.ok()) return;
        ++*written;
        (*write)();
      });
    };
    (*write)();
    // Nothing to wait for but silence.
    for (int before = -1; before != *written;) {
      before = *written;
      Pause(std::chrono::milliseconds(500));
    }
  }
  /// Until the end hears that the stream is over, of which it reads nothing.
  void WriteUntilRefused(FrameStream& stream) {
    const auto limit = loop_.Now() + kPatience;
    bool refused = false;
    while (!refused) {
      ASSERT_LT(loop_.Now(), limit) << "it hears nothing";
      bool answered = false;
      stream.Write(Data(""), [&](const absl::Status& status) {
        answered = true;
        refused = !status.ok();
      });
      RunUntil([&] { return answered; });
      if (HasFailure()) return;
      Pause(std::chrono::milliseconds(20));
    }
  }

  AsioLoop loop_;
  /// What should wait for seconds waits for a fiftieth of them.
  ScaledLoop hasty_{loop_, 1.0 / 50};
  TestAuthority authority_;
  EdgeLinkService edge_link_{hasty_};
  RpcServer server_;
  std::unique_ptr<RpcClient> client_;
  std::vector<std::unique_ptr<FrameStream>> tunnels_;
};

TEST_F(RpcStreamsTest, AReaderThatPausesGetsAllThatWasWrittenBeforeTheEnd) {
  auto [host, hub] = Open();
  int written = 0;
  std::function<void()> write = [&, host = host.get()] {
    host->Write(Data(std::string(1'000, 'x')), [&, host](const absl::Status& status) {
      ASSERT_TRUE(status.ok()) << status;
      if (++written < 30) return write();
      host->Finish(absl::OkStatus());
    });
  };
  write();
  RunUntil([&] { return written == 30; });
  // As a writer goes that has said all.
  host.reset();
  // Ten times what a session may linger.
  Pause(std::chrono::seconds(1));
  const Reader reader(*hub);
  RunUntil([&] { return !reader.end.empty(); });
  EXPECT_EQ(reader.end, "end");
  EXPECT_EQ(reader.sizes, std::vector<std::size_t>(30, 1'000));
}

TEST_F(RpcStreamsTest, AWriteBesideAnotherEndsTheStreamAndNotTheProgram) {
  for (const bool of_host : {true, false}) {
    const Ends ends = Open();
    FrameStream& writer = of_host ? *ends.host : *ends.hub;
    Reader mine(writer), other(of_host ? *ends.hub : *ends.host);
    std::string second;
    // Too much for gRPC to take it at once.
    writer.Write(Data(std::string(kFrameBytes * 100, 'x')), [](const absl::Status&) {});
    writer.Write(Data("y"), [&second](const absl::Status& status) { second = Describe(status); });
    RunUntil([&] { return !second.empty() && !mine.end.empty() && !other.end.empty(); });
    EXPECT_EQ(second, "INTERNAL: a frame was written while another one was") << of_host;
    EXPECT_EQ(mine.end, second) << of_host;
    EXPECT_NE(other.end, "end") << of_host;
  }
}

/// Logs that broke off must not look complete.
TEST_F(RpcStreamsTest, AHostThatBreaksOffIsNeverAnOrderlyEnd) {
  constexpr int kTimes = 100;
  for (int i = 0; i < kTimes; ++i) {
    Ends ends = Open();
    Reader reader(*ends.hub);
    ends.host->Write(Data("x"), [](const absl::Status&) {});
    RunUntil([&] { return !reader.sizes.empty(); });
    if (i % 2 == 0)
      ends.host->Finish(absl::InternalError("the file can not be read"));
    else
      ends.host.reset();
    RunUntil([&] { return !reader.end.empty(); });
    ASSERT_NE(reader.end, "end") << i;
  }
}

TEST_F(RpcStreamsTest, AnErrorOfTheHostPassesAPeerThatDoesNotRead) {
  auto [host, hub] = Open();
  Fill(*host);
  host->Finish(absl::CancelledError("enough"));
  WriteUntilRefused(*hub);
}

TEST_F(RpcStreamsTest, AnErrorOfTheHubPassesAPeerThatDoesNotRead) {
  auto [host, hub] = Open();
  Fill(*hub);
  hub->Finish(absl::CancelledError("enough"));
  WriteUntilRefused(*host);
}

TEST_F(RpcStreamsTest, AHostThatDropsTheStreamPassesAPeerThatDoesNotRead) {
  for (const bool finished : {false, true}) {
    auto [host, hub] = Open();
    Fill(*host);
    if (finished) host->Finish(absl::CancelledError("enough"));
    host.reset();
    WriteUntilRefused(*hub);
  }
}

TEST_F(RpcStreamsTest, AHubThatDropsTheStreamPassesAPeerThatDoesNotRead) {
  for (const bool finished : {false, true}) {
    auto [host, hub] = Open();
    Fill(*hub);
    if (finished) hub->Finish(absl::CancelledError("enough"));
    hub.reset();
    WriteUntilRefused(*host);
  }
}

TEST_F(RpcStreamsTest, AnOrderlyEndIsPassedOnAsSuchWhileInputIsBlocked) {
  // The first is the shim's, the second the host's, as far as it matters here.
  auto [client, client_at_hub] = Open();
  auto [host, host_at_hub] = Open();
  std::string ended;
  const auto splice = Splice(std::move(client_at_hub), std::move(host_at_hub),
                             [&](const absl::Status& status) { ended = Describe(status); });
  const Reader reader(*client);
  Fill(*client);
  host->Finish(absl::OkStatus());
  RunUntil([&] { return !reader.end.empty(); });
  EXPECT_EQ(reader.end, "end");
  EXPECT_EQ(ended, "OK");
}

TEST_F(RpcStreamsTest, AClientThatGoesIsPassedOnWhileTheHostReadsNothing) {
  auto [client, client_at_hub] = Open();
  auto [host, host_at_hub] = Open();
  std::string ended;
  const auto splice = Splice(std::move(client_at_hub), std::move(host_at_hub),
                             [&](const absl::Status& status) { ended = Describe(status); });
  Fill(*client);
  client->Finish(absl::CancelledError("the client closed the connection"));
  RunUntil([&] { return !ended.empty(); });
  EXPECT_EQ(ended, "CANCELLED: the peer is gone");
  WriteUntilRefused(*host);
}

TEST_F(RpcStreamsTest, WhatCameBeforeAnOrderlyEndIsReadWhileInputIsBlocked) {
  auto [host, hub] = Open();
  Fill(*host);
  int written = 0;
  std::function<void()> write = [&, hub = hub.get()] {
    hub->Write(Data("x"), [&, hub](const absl::Status& status) {
      ASSERT_TRUE(status.ok()) << status;
      if (++written < 10) return write();
      hub->Finish(absl::OkStatus());
    });
  };
  write();
  RunUntil([&] { return written == 10; });
  // The end has come, and with it the write's.
  Pause(std::chrono::milliseconds(500));
  const Reader reader(*host);
  RunUntil([&] { return !reader.end.empty(); });
  EXPECT_EQ(reader.end, "end");
  EXPECT_EQ(reader.sizes, std::vector<std::size_t>(10, 1));
}

}  // namespace
}  // namespace slicelet
