#include "edge-agent/streams/relay.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <utility>

namespace slicelet::agent {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kFrameBytes = std::size_t{32} * 1024;
constexpr Duration kDialTimeout = std::chrono::seconds(10);
constexpr Duration kIdle = std::chrono::hours(4);

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(AsioLoop& loop, std::string request, std::shared_ptr<FrameStream> stream, Duration probe)
      : socket_(*static_cast<asio::io_context*>(loop.io_context())),
        outgoing_(std::move(request)),
        stream_(std::move(stream)),
        idle_(loop),
        every_(probe),
        probe_(loop) {}

  void Dial(const StreamingUrl& url) {
    error_code error;
    // It listens on this host: an address, no name that would have to be looked up.
    const auto address = asio::ip::make_address(url.host == "localhost" ? "127.0.0.1" : url.host, error);
    if (error) {
      ReplyAndFinish(absl::InvalidArgumentError("the runtime's streaming server has no address: " + url.host),
                     std::move(stream_));
      return;
    }
    idle_.Set(kDialTimeout,
              [self = shared_from_this()] { self->End(absl::DeadlineExceededError("no answer")); });
    socket_.async_connect(
        {address, static_cast<std::uint16_t>(std::stoul(url.port.substr(0, 5)))},
        [self = shared_from_this()](const error_code& failed) { self->OnConnected(failed); });
  }

 private:
  void OnConnected(const error_code& error) {
    if (ended_) return;
    if (error) {
      ended_ = true;
      idle_.Cancel();
      ReplyAndFinish(
          absl::UnavailableError("cannot reach the runtime's streaming server: " + error.message()),
          std::move(stream_));
      return;
    }
    socket_.set_option(asio::ip::tcp::no_delay(true));
    asio::async_write(socket_, asio::buffer(outgoing_),
                      [self = shared_from_this()](const error_code& failed, std::size_t) {
                        if (failed) return self->End(absl::UnavailableError(failed.message()));
                        self->ReadFrame();
                      });
    v1::StreamFrame frame;
    frame.mutable_reply();
    Write(std::move(frame));
  }

  void Moved() {
    idle_.Set(kIdle,
              [self = shared_from_this()] { self->End(absl::DeadlineExceededError("idle for four hours")); });
  }

  // ---- Runtime to hub ----

  void ReadSocket() {
    if (ended_) return;
    Moved();
    reading_ = true;
    socket_.async_read_some(asio::buffer(incoming_),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                              self->OnSocket(error, size);
                            });
  }

  void OnSocket(const error_code& error, std::size_t size) {
    reading_ = false;
    if (ended_) return;
    v1::StreamFrame& frame = read_.emplace();
    if (error) {
      // The end, clean or not, is the runtime's way to say that the process ended.
      frame.mutable_half_close();
      socket_done_ = true;
    } else {
      frame.set_data(incoming_.data(), size);
    }
    // A probe goes first.
    if (!writing_) Write(*std::exchange(read_, std::nullopt));
  }

  void Write(v1::StreamFrame frame) {
    writing_ = true;
    stream_->Write(std::move(frame), [self = shared_from_this()](const absl::Status& status) {
      self->writing_ = false;
      if (self->ended_) return;
      if (!status.ok()) return self->End(status);
      self->Written();
    });
  }

  void Written() {
    if (read_) return Write(*std::exchange(read_, std::nullopt));
    // After the runtime hung up nobody reads what the other side may still send.
    if (socket_done_) return End(absl::OkStatus());
    if (!reading_) ReadSocket();
  }

  // ---- Hub to runtime ----

  void ReadFrame() {
    if (ended_) return;
    Moved();
    stream_->Read([self = shared_from_this()](absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
      self->OnFrame(std::move(frame));
    });
  }

  void OnFrame(absl::StatusOr<std::optional<v1::StreamFrame>> frame) {
    if (ended_) return;
    // Who asked is gone: without a reader the process must not linger.
    if (!frame.ok() || !*frame) return End(frame.ok() ? absl::OkStatus() : frame.status());
    if ((*frame)->has_half_close()) {
      error_code ignored;
      socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
      ReadFrame();
      return;
    }
    outgoing_ = std::move(*(*frame)->mutable_data());
    if (outgoing_.empty()) return ReadFrame();
    probe_.Set(every_, [self = shared_from_this()] { self->Probe(); });
    asio::async_write(socket_, asio::buffer(outgoing_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        self->probe_.Cancel();
                        // What the runtime said last is still to be passed on.
                        if (!error) self->ReadFrame();
                      });
  }

  /// A stream that is not read tells only who writes to it that it is broken. An empty frame means nothing.
  void Probe() {
    probe_.Set(every_, [self = shared_from_this()] { self->Probe(); });
    v1::StreamFrame frame;
    frame.set_data("");
    if (!writing_) Write(std::move(frame));
  }

  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    idle_.Cancel();
    probe_.Cancel();
    error_code ignored;
    socket_.close(ignored);
    if (stream_) stream_->Finish(status);
  }

  asio::ip::tcp::socket socket_;
  std::string outgoing_;
  std::array<char, kFrameBytes> incoming_{};
  std::shared_ptr<FrameStream> stream_;
  Timer idle_;
  const Duration every_;
  Timer probe_;
  /// Read from the runtime, and not written to the hub yet.
  std::optional<v1::StreamFrame> read_;
  bool reading_ = false, writing_ = false;
  bool socket_done_ = false;
  bool ended_ = false;
};

}  // namespace

void Relay(AsioLoop& loop, const StreamingUrl& url, std::string request, std::shared_ptr<FrameStream> stream,
           Duration probe) {
  std::make_shared<Connection>(loop, std::move(request), std::move(stream), probe)->Dial(url);
}

void ReplyAndFinish(const absl::Status& status, std::shared_ptr<FrameStream> stream) {
  v1::StreamFrame frame;
  frame.mutable_reply()->set_code(static_cast<int>(status.code()));
  frame.mutable_reply()->set_message(Message(status));
  auto* raw = stream.get();
  raw->Write(std::move(frame), [stream = std::move(stream)](const absl::Status& written) {
    if (written.ok()) stream->Finish(absl::OkStatus());
  });
}

}  // namespace slicelet::agent
