#include "cli/exec_session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <csignal>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::cli {
namespace {

namespace asio = boost::asio;

/// Of v5.channel.k8s.io; v4 has all but the last, which closes the channel that the next byte names.
enum Channel : unsigned char { kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4, kClose = 255 };

constexpr std::size_t kInputBytes = std::size_t{32} << 10;

/// The terminal passes every key through while it lives.
class RawTerminal {
 public:
  RawTerminal() {
    if (tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    termios raw = saved_;
    cfmakeraw(&raw);
    active_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (active_) tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios saved_{};
  bool active_ = false;
};

void WriteAll(int descriptor, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(descriptor, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      // A terminal shares its flags between input and output, and its input does not block here.
      pollfd ready{descriptor, POLLOUT, 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (written <= 0) return;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string OnChannel(Channel channel, std::string_view data) {
  return std::string(1, static_cast<char>(channel)).append(data);
}

class ExecSession {
 public:
  ExecSession(asio::io_context& context, ExecSocket& socket, ExecSessionOptions options)
      : socket_(socket), options_(options), input_(context), resized_(context) {}
  ~ExecSession() {
    // The shell that started us expects its terminal to block.
    if (input_flags_ >= 0) fcntl(STDIN_FILENO, F_SETFL, input_flags_);
  }
  ExecSession(const ExecSession&) = delete;
  ExecSession& operator=(const ExecSession&) = delete;

  void Start() {
    socket_.binary(true);
    Read();
    if (options_.stdin_open) StartInput();
    if (options_.tty) {
      resized_.add(SIGWINCH);
      WaitForResize();
      SendSize();
    }
  }

  /// metav1.Status: Success, or Failure with the exit code as a cause.
  [[nodiscard]] absl::StatusOr<int> Result() const {
    if (end_.empty()) return absl::UnavailableError("the connection ended before the command did");
    const auto status = ParseJson(end_);
    if (!status.ok()) return absl::InternalError("the command's end is not understood: " + end_);
    if (GetString(*status, "/status") == "Success") return 0;
    for (const Json& cause : GetArray(*status, "/details/causes")) {
      if (GetString(cause, "/reason") == "ExitCode") return std::atoi(GetString(cause, "/message").c_str());
    }
    return absl::InternalError(GetString(*status, "/message", "the command could not be run"));
  }

 private:
  using Error = boost::system::error_code;

  void Read() {
    socket_.async_read(buffer_, [this](const Error& error, std::size_t) {
      if (error) return StopWaiting();
      const auto data = buffer_.data();
      Received(std::string_view(static_cast<const char*>(data.data()), data.size()));
      buffer_.consume(buffer_.size());
      Read();
    });
  }

  /// The far end is gone: neither the terminal nor its size matters any more.
  void StopWaiting() {
    Error failed;
    if (input_.close(failed)) LogWarning("standard input not closed", {{"error", failed.message()}});
    if (resized_.cancel(failed)) LogWarning("signals still waited for", {{"error", failed.message()}});
  }

  void Received(std::string_view message) {
    if (message.empty()) return;
    const auto channel = static_cast<unsigned char>(message.front());
    message.remove_prefix(1);
    if (channel == kStdout) WriteAll(STDOUT_FILENO, message);
    if (channel == kStderr) WriteAll(STDERR_FILENO, message);
    if (channel == kError) end_ += message;
  }

  // ---- Standard input: one piece at a time, so that nothing piles up here ----

  void StartInput() {
    struct stat info{};
    if (fstat(STDIN_FILENO, &info) != 0) return InputEnded();
    if (S_ISREG(info.st_mode)) return ReadAlwaysReady();
    input_flags_ = fcntl(STDIN_FILENO, F_GETFL);
    input_.assign(::dup(STDIN_FILENO));
    ReadInput();
  }

  void ReadInput() {
    if (always_ready_) return ReadAlwaysReady();
    input_.async_read_some(asio::buffer(typed_), [this](const Error& error, std::size_t size) {
      if (error == asio::error::operation_aborted) return;
      if (error == asio::error::operation_not_supported) return ReadAlwaysReady();
      if (error) return InputEnded();
      Send(OnChannel(kStdin, {typed_.data(), size}), [this] { ReadInput(); });
    });
  }

  /// A file, or /dev/null: epoll does not know them, and reading them does not wait.
  void ReadAlwaysReady() {
    always_ready_ = true;
    ssize_t size = 0;
    do size = ::read(STDIN_FILENO, typed_.data(), typed_.size());
    while (size < 0 && errno == EINTR);
    if (size <= 0) return InputEnded();
    Send(OnChannel(kStdin, {typed_.data(), static_cast<std::size_t>(size)}), [this] { ReadInput(); });
  }

  void InputEnded() {
    if (options_.input_may_end) return Send(OnChannel(kClose, std::string(1, static_cast<char>(kStdin))));
    std::fprintf(stderr, "note: the server is too old to be told that standard input ended\n");
  }

  // ---- The terminal's size ----

  void WaitForResize() {
    resized_.async_wait([this](const Error& error, int) {
      if (error) return;
      SendSize();
      WaitForResize();
    });
  }

  void SendSize() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
    Send(OnChannel(kResize, Json{{"Width", size.ws_col}, {"Height", size.ws_row}}.dump()));
  }

  void Send(std::string message, std::function<void()> sent = nullptr) {
    queue_.emplace_back(std::move(message), std::move(sent));
    if (queue_.size() == 1) WriteNext();
  }

  void WriteNext() {
    socket_.async_write(asio::buffer(queue_.front().first), [this](const Error& error, std::size_t) {
      // Why shows in what is read.
      if (error) return;
      const auto sent = std::move(queue_.front().second);
      queue_.pop_front();
      if (!queue_.empty()) WriteNext();
      if (sent) sent();
    });
  }

  ExecSocket& socket_;
  const ExecSessionOptions options_;
  asio::posix::stream_descriptor input_;
  asio::signal_set resized_;
  boost::beast::flat_buffer buffer_;
  std::array<char, kInputBytes> typed_{};
  std::deque<std::pair<std::string, std::function<void()>>> queue_;
  int input_flags_ = -1;
  bool always_ready_ = false;
  std::string end_;
};

}  // namespace

absl::StatusOr<int> RunExecSession(asio::io_context& context, ExecSocket& socket,
                                   ExecSessionOptions options) {
  std::unique_ptr<RawTerminal> terminal;
  if (options.tty && isatty(STDIN_FILENO) == 1) terminal = std::make_unique<RawTerminal>();
  ExecSession session(context, socket, options);
  session.Start();
  context.restart();
  context.run();
  return session.Result();
}

}  // namespace slicelet::cli
