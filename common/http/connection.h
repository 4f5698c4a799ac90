#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>  // Boost 1.74 forgets it in a coroutine header.

#include "common/http/http_server.h"
#include "common/http/http_tls.h"

namespace slicelet {

/// One TLS connection: requests one after the other, then perhaps raw bytes. Kept alive by its operations, by
/// the exchange that is being answered and by the raw stream.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using TlsContext = std::shared_ptr<boost::asio::ssl::context>;
  using Error = boost::system::error_code;

  struct Environment {
    Loop& loop;
    HttpServer::Options options;
    HttpServer::Handler handler;
    std::function<ClientCa()> client_ca;
  };

  Connection(std::shared_ptr<const Environment> environment, std::string listener, Socket socket,
             TlsContext context);

  void Start();
  /// At once; whoever waits hears an error.
  void Destroy();

  // For the exchange in progress.
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  void Respond(const HttpResponse& response);
  void StartStream(int status, const std::string& content_type);
  void WriteChunk(const std::string& data, StatusCallback written);
  void EndStream();
  void OnGone(std::function<void()> gone);
  void Abandon();

  // For a connection that was taken over.
  void Hijack();
  void ReadRaw(Callback<std::string> done);
  void WriteRaw(std::string data, StatusCallback done);
  void Close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class State { kReading, kAnswering, kStreaming, kRaw, kClosing, kClosed };

  void ReadHead();
  void HeadRead(const Error& error);
  void BodyRead(const Error& error);
  void Dispatch();
  void Reject(int status, const std::string& message);
  /// Notices a client that goes while it waits, and holds what it sends early.
  void WatchInput();
  void InputArrived(const Error& error, std::size_t size);
  void AnswerRawRead();
  void AnswerComplete();
  void Enqueue(std::string bytes, StatusCallback written);
  void WriteNext();
  void Gone();
  void SayGoodbye();
  void DrainUntilClosed();
  void SetTimeout(Duration timeout);

  const std::shared_ptr<const Environment> environment_;
  const TlsContext context_;
  boost::asio::ssl::stream<Socket> stream_;
  /// What arrived and nobody has taken yet.
  boost::beast::flat_buffer buffer_;
  /// What a read of ours is filling. Apart from `buffer_`, which may be consumed meanwhile.
  std::string arriving_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  State state_ = State::kReading;
  bool keep_alive_ = false;
  bool chunked_ = false;
  bool watching_ = false;
  bool input_ended_ = false;
  bool completing_ = false;
  std::function<void()> gone_;
  Callback<std::string> raw_reader_;
  std::deque<std::pair<std::string, StatusCallback>> writes_;
  bool writing_ = false;
  Timer timeout_;
};

}  // namespace slicelet
