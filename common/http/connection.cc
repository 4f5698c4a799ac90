#include "common/http/connection.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <cctype>
#include <sstream>

namespace slicelet {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

/// How long a closing connection may take to say goodbye.
constexpr auto kGoodbye = std::chrono::seconds(2);
/// What a client may send ahead while its request is answered.
constexpr std::size_t kMaxEarlyBytes = 4'096;

std::string Lower(boost::string_view text) {
  std::string lower(text.data(), text.size());
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

bool AsksForUpgrade(const HttpRequest& request) {
  return Lower(request.Header("connection")).find("upgrade") != std::string::npos &&
         !request.Header("upgrade").empty();
}

/// The client sends no more. OpenSSL 3 reports a close without close_notify by an error that Asio 1.74 does
/// not know.
bool IsEnd(const Connection::Error& error) {
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) return true;
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

std::string Head(int status, const std::string& content_type) {
  std::ostringstream head;
  head << "HTTP/1.1 " << status << ' '
       << http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)))
       << "\r\nContent-Type: " << content_type << "\r\nX-Content-Type-Options: nosniff\r\n";
  return head.str();
}

/// A client over IPv4 has an IPv4 address, whatever socket it came in by.
std::string AddressText(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

absl::Status ClientGone() { return absl::CancelledError("the client closed the connection"); }

}  // namespace

/// What a handler holds; the connection itself stays private to its operations.
class ConnectionExchange final : public HttpExchange {
 public:
  explicit ConnectionExchange(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~ConnectionExchange() override { connection_->Abandon(); }

  [[nodiscard]] const HttpRequest& request() const override { return connection_->request(); }
  void Respond(HttpResponse response) override { connection_->Respond(response); }
  void StartStream(int status, const std::string& content_type) override {
    connection_->StartStream(status, content_type);
  }
  void Write(std::string data, StatusCallback written) override {
    connection_->WriteChunk(data, std::move(written));
  }
  void EndStream() override { connection_->EndStream(); }
  std::unique_ptr<RawStream> Hijack() override;
  void OnGone(std::function<void()> gone) override { connection_->OnGone(std::move(gone)); }

 private:
  const std::shared_ptr<Connection> connection_;
};

class ConnectionRawStream final : public RawStream {
 public:
  explicit ConnectionRawStream(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~ConnectionRawStream() override { connection_->Close(); }
  void Read(Callback<std::string> done) override { connection_->ReadRaw(std::move(done)); }
  void Write(std::string data, StatusCallback done) override {
    connection_->WriteRaw(std::move(data), std::move(done));
  }
  void Close() override { connection_->Close(); }

 private:
  const std::shared_ptr<Connection> connection_;
};

std::unique_ptr<RawStream> ConnectionExchange::Hijack() {
  connection_->Hijack();
  return std::make_unique<ConnectionRawStream>(connection_);
}

Connection::Connection(std::shared_ptr<const Environment> environment, std::string listener, Socket socket,
                       TlsContext context)
    : environment_(std::move(environment)),
      context_(std::move(context)),
      stream_(std::move(socket), *context_),
      timeout_(environment_->loop) {
  request_.listener = std::move(listener);
  Error ignored;
  stream_.next_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto peer = stream_.next_layer().remote_endpoint(ignored);
  if (!ignored) request_.address = AddressText(peer.address());
}

void Connection::Start() {
  SetTimeout(environment_->options.handshake_timeout);
  stream_.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](const Error& error) {
    if (error || self->state_ == State::kClosed) return self->Destroy();
    self->ReadHead();
  });
}

void Connection::ReadHead() {
  state_ = State::kReading;
  HttpRequest next;
  next.listener = std::move(request_.listener);
  next.address = std::move(request_.address);
  request_ = std::move(next);
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(environment_->options.max_header));
  parser_->body_limit(environment_->options.max_body);
  SetTimeout(environment_->options.idle_timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](const Error& error, std::size_t) {
                            if (self->state_ == State::kReading) self->HeadRead(error);
                          });
}

void Connection::HeadRead(const Error& error) {
  if (error == http::error::header_limit) return Reject(431, "request head too large");
  if (error == http::error::body_limit) return Reject(413, "request body too large");
  if (error == http::error::end_of_stream || IsEnd(error)) return Close();
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return Reject(400, "malformed request");
  }
  if (error) return Destroy();
  const auto& message = parser_->get();
  request_.method.assign(message.method_string().data(), message.method_string().size());
  for (const auto& field : message) {
    request_.headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
  }
  request_.upgrade = AsksForUpgrade(request_);
  keep_alive_ = parser_->keep_alive() && !request_.upgrade;
  chunked_ = message.version() >= 11;
  auto target = ParseTarget(std::string_view(message.target().data(), message.target().size()));
  if (!target.ok()) return Reject(400, Message(target.status()));
  request_.target = std::move(*target);
  request_.peer = VerifyPeer(stream_.native_handle(), environment_->client_ca());
  // What follows an upgrade's head is not a body.
  if (request_.upgrade || parser_->is_done()) return Dispatch();
  SetTimeout(environment_->options.body_timeout);
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](const Error& error, std::size_t) {
    if (self->state_ == State::kReading) self->BodyRead(error);
  });
}

void Connection::BodyRead(const Error& error) {
  if (error == http::error::body_limit) return Reject(413, "request body too large");
  if (error) return Destroy();
  request_.body = std::move(parser_->get().body());
  Dispatch();
}

void Connection::Dispatch() {
  state_ = State::kAnswering;
  SetTimeout(environment_->options.stream_timeout);
  WatchInput();
  // The server may be destroyed by its handler.
  const auto environment = environment_;
  environment->handler(std::make_shared<ConnectionExchange>(shared_from_this()));
}

void Connection::Reject(int status, const std::string& message) {
  state_ = State::kAnswering;
  keep_alive_ = false;
  if (const auto& rejection = environment_->options.rejection) return Respond(rejection(status, message));
  Respond({.status = status, .body = message + "\n", .headers = {}});
}

void Connection::Respond(const HttpResponse& response) {
  if (state_ != State::kAnswering) return;
  state_ = State::kStreaming;
  completing_ = true;
  auto bytes = Head(response.status, response.content_type);
  for (const auto& [name, value] : response.headers) bytes += name + ": " + value + "\r\n";
  if (!keep_alive_) bytes += "Connection: close\r\n";
  bytes += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
  if (request_.method != "HEAD") bytes += response.body;
  Enqueue(std::move(bytes), [this](const absl::Status& status) {
    if (status.ok()) AnswerComplete();
  });
}

void Connection::StartStream(int status, const std::string& content_type) {
  if (state_ != State::kAnswering) return;
  state_ = State::kStreaming;
  auto bytes = Head(status, content_type);
  if (!chunked_) keep_alive_ = false;
  if (chunked_) bytes += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive_) bytes += "Connection: close\r\n";
  Enqueue(bytes + "\r\n", nullptr);
}

void Connection::WriteChunk(const std::string& data, StatusCallback written) {
  if (!chunked_ || data.empty()) return Enqueue(data, std::move(written));
  std::ostringstream chunk;
  chunk << std::hex << data.size() << "\r\n" << data << "\r\n";
  Enqueue(chunk.str(), std::move(written));
}

void Connection::EndStream() {
  if (state_ != State::kStreaming) return;
  completing_ = true;
  Enqueue(chunked_ ? "0\r\n\r\n" : "", [this](const absl::Status& status) {
    if (status.ok()) AnswerComplete();
  });
}

void Connection::Abandon() {
  // Who took the connection over goes on to wait for it.
  if (state_ == State::kRaw) return;
  gone_ = nullptr;
  if (state_ == State::kAnswering) {
    return Respond({.status = 500, .body = "the request was dropped\n", .headers = {}});
  }
  // A body that was begun and never ended must not look complete.
  if (state_ == State::kStreaming && !completing_) Destroy();
}

void Connection::OnGone(std::function<void()> gone) {
  if (state_ == State::kClosed) {
    environment_->loop.Post(std::move(gone));
  } else {
    gone_ = std::move(gone);
  }
}

void Connection::AnswerComplete() {
  gone_ = nullptr;
  completing_ = false;
  if (!keep_alive_ || input_ended_) return Close();
  state_ = State::kReading;
  SetTimeout(environment_->options.idle_timeout);
  // A read that is under way finishes first: its bytes are the next request's.
  if (!watching_) ReadHead();
}

void Connection::WatchInput() {
  if (watching_ || input_ended_ || buffer_.size() >= kMaxEarlyBytes) return;
  watching_ = true;
  arriving_.resize(state_ == State::kRaw ? HttpServer::kMaxRawReadBytes : kMaxEarlyBytes);
  stream_.async_read_some(
      asio::buffer(arriving_),
      [self = shared_from_this()](const Error& error, std::size_t size) { self->InputArrived(error, size); });
}

void Connection::InputArrived(const Error& error, std::size_t size) {
  watching_ = false;
  if (state_ == State::kClosed) return;
  buffer_.commit(asio::buffer_copy(buffer_.prepare(size), asio::buffer(arriving_, size)));
  if (error) input_ended_ = true;
  switch (state_) {
    case State::kReading:
      return error ? Close() : ReadHead();
    case State::kRaw:
      SetTimeout(environment_->options.stream_timeout);
      if (error && !IsEnd(error)) return Destroy();
      return AnswerRawRead();
    case State::kAnswering:
    case State::kStreaming:
      if (error) Destroy();
      return;
    case State::kClosing:
    case State::kClosed:
      return;
  }
}

void Connection::Hijack() {
  if (state_ != State::kAnswering) return;
  state_ = State::kRaw;
  // A client that goes while it is neither read from nor written to shows here.
  stream_.next_layer().async_wait(Socket::wait_error, [weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (!error && self && self->state_ == State::kRaw) self->Destroy();
  });
}

void Connection::ReadRaw(Callback<std::string> done) {
  raw_reader_ = std::move(done);
  if (buffer_.size() == 0 && !input_ended_ && state_ == State::kRaw) return WatchInput();
  environment_->loop.Post([self = shared_from_this()] { self->AnswerRawRead(); });
}

void Connection::AnswerRawRead() {
  const auto reader = std::exchange(raw_reader_, nullptr);
  if (!reader) return;
  if (state_ != State::kRaw) return reader(ClientGone());
  const auto size = std::min(buffer_.size(), HttpServer::kMaxRawReadBytes);
  std::string data(static_cast<const char*>(buffer_.data().data()), size);
  buffer_.consume(size);
  reader(std::move(data));
}

void Connection::WriteRaw(std::string data, StatusCallback done) {
  SetTimeout(environment_->options.stream_timeout);
  Enqueue(std::move(data), std::move(done));
}

void Connection::Enqueue(std::string bytes, StatusCallback written) {
  if (state_ == State::kClosing || state_ == State::kClosed) {
    if (written) environment_->loop.Post([written = std::move(written)] { written(ClientGone()); });
    return;
  }
  writes_.emplace_back(std::move(bytes), std::move(written));
  WriteNext();
}

void Connection::WriteNext() {
  if (writing_ || writes_.empty()) return;
  writing_ = true;
  // Outlives the queue's entry when the connection is destroyed under way.
  const auto bytes = std::make_shared<const std::string>(std::move(writes_.front().first));
  asio::async_write(stream_, asio::buffer(*bytes),
                    [self = shared_from_this(), bytes](const Error& error, std::size_t) {
                      self->writing_ = false;
                      if (error || self->state_ == State::kClosed) return self->Destroy();
                      const auto written = std::move(self->writes_.front().second);
                      self->writes_.pop_front();
                      if (self->state_ != State::kClosing) {
                        self->SetTimeout(self->environment_->options.stream_timeout);
                      }
                      if (written) written(absl::OkStatus());
                      if (self->state_ == State::kClosing && self->writes_.empty()) return self->SayGoodbye();
                      self->WriteNext();
                    });
}

void Connection::Close() {
  if (state_ == State::kClosing || state_ == State::kClosed) return;
  state_ = State::kClosing;
  gone_ = nullptr;
  SetTimeout(kGoodbye);
  if (writes_.empty()) SayGoodbye();
}

void Connection::SayGoodbye() {
  stream_.async_shutdown([self = shared_from_this()](const Error&) {
    if (self->state_ == State::kClosed) return;
    Error ignored;
    self->stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
    self->DrainUntilClosed();
  });
}

void Connection::DrainUntilClosed() {
  // Closing a socket that holds unread bytes resets it, and the client would lose our last ones.
  const auto rest = std::make_shared<std::array<char, kMaxEarlyBytes>>();
  stream_.next_layer().async_read_some(asio::buffer(*rest),
                                       [self = shared_from_this(), rest](const Error& error, std::size_t) {
                                         if (error) return self->Destroy();
                                         self->DrainUntilClosed();
                                       });
}

void Connection::Destroy() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  timeout_.Cancel();
  Error ignored;
  stream_.next_layer().close(ignored);
  const auto self = shared_from_this();
  const auto writes = std::exchange(writes_, {});
  for (const auto& [bytes, written] : writes) {
    if (written) written(ClientGone());
  }
  AnswerRawRead();
  if (const auto gone = std::exchange(gone_, nullptr)) gone();
}

void Connection::SetTimeout(Duration timeout) {
  timeout_.Set(timeout, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Destroy();
  });
}

}  // namespace slicelet
