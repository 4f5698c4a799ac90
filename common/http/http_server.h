#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/http/url.h"
#include "common/loop/asio_loop.h"

namespace slicelet {

/// Whom the client's certificate names.
struct HttpPeer {
  /// It showed a certificate that the client CA bundle vouches for, for use as a client, now. Only then is
  /// the rest set.
  bool verified = false;
  std::string common_name;
  std::vector<std::string> organizations;
};

struct HttpRequest {
  /// The name of the listener it came in by.
  std::string listener;
  /// The client's address, numeric, without the port.
  std::string address;
  std::string method;
  RequestTarget target;
  /// Names in lower case.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  HttpPeer peer;
  /// The client asks for another protocol on this connection: `Hijack` is what it waits for.
  bool upgrade = false;

  /// The first value of a header, "" without one. `name` in lower case.
  [[nodiscard]] const std::string& Header(std::string_view name) const;
  /// The token of "Authorization: Bearer", or "".
  [[nodiscard]] std::string BearerToken() const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A connection's bytes after the request head. One read and one write under way at most.
class RawStream {
 public:
  /// Closes the connection.
  virtual ~RawStream() = default;
  /// At most 32 KiB; "" when the client sends no more.
  virtual void Read(Callback<std::string> done) = 0;
  virtual void Write(std::string data, StatusCallback done) = 0;
  /// Tells the client that nothing more comes, then closes.
  virtual void Close() = 0;
};

/// One request and its answer. Exactly one of `Respond`, `StartStream` and `Hijack` is called; an exchange
/// that is dropped without one is answered with 500.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  [[nodiscard]] virtual const HttpRequest& request() const = 0;

  virtual void Respond(HttpResponse response) = 0;

  /// Sends the head of a body of unknown length.
  virtual void StartStream(int status, const std::string& content_type) = 0;
  /// One at a time; `written` comes when the connection took it.
  virtual void Write(std::string data, StatusCallback written) = 0;
  /// Ends the body.
  virtual void EndStream() = 0;

  /// Takes the connection over. The client gets no head of ours.
  virtual std::unique_ptr<RawStream> Hijack() = 0;

  /// Called once when the client goes before the answer is complete, or breaks the connection that was taken
  /// over, even while nothing is read and written there.
  virtual void OnGone(std::function<void()> gone) = 0;
};

/// HTTPS/1.1 on the program's loop, several listeners with a certificate each. TLS asks for a client
/// certificate but does not require one: what a peer may do is the handler's decision.
class HttpServer {
 public:
  static constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20;  // the kubelet's
  static constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMaxConnections = 4'096;
  static constexpr std::size_t kMaxRawReadBytes = std::size_t{32} << 10;

  struct Options {
    Duration handshake_timeout = std::chrono::seconds(10);
    /// For the next request's head to be complete.
    Duration idle_timeout = std::chrono::seconds(90);
    Duration body_timeout = std::chrono::minutes(1);
    /// Without a byte either way while a request is answered or a connection is taken over.
    Duration stream_timeout = std::chrono::hours(4);
    /// Less than what every server bears, for one that strangers reach.
    std::size_t max_header = kMaxHeaderBytes;
    std::size_t max_body = kMaxBodyBytes;
    std::size_t max_connections = kMaxConnections;
    /// What a request that never reaches the handler is answered with (400, 413, 431); plain text when empty.
    std::function<HttpResponse(int status, const std::string& message)> rejection;
  };

  struct Listener {
    /// Requests carry it; unique.
    std::string name;
    /// Numeric; "" for all addresses.
    std::string address;
    int port = 0;
    /// Chain first, then intermediates.
    std::string certificate_pem;
    std::string key_pem;
  };

  using Handler = std::function<void(std::shared_ptr<HttpExchange>)>;

  HttpServer(AsioLoop& loop, Options options, Handler handler);
  /// Closes everything; exchanges that are still held do nothing any more.
  ~HttpServer();

  /// The CA bundle (PEM) that client certificates are checked against, from the next request head on. Without
  /// it none is verified.
  absl::Status SetClientCa(const std::string& pem);

  /// Starts to serve; returns the port. Unavailable when the address can not be bound.
  absl::StatusOr<int> Listen(const Listener& listener);
  /// For new connections; those that stand keep theirs. NotFound for an unknown name.
  absl::Status SetCertificate(const std::string& name, const std::string& certificate_pem,
                              const std::string& key_pem);
  /// Closes the listener and its connections.
  void StopListening(const std::string& name);

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace slicelet
