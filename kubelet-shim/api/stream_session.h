#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "common/http/http_server.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet::shim {

/// One request that is answered by a stream to a host: sends the head, waits for the reply, then carries data
/// until either side ends.
class StreamSession {
 public:
  /// How long the host may take to answer the head. Longer than the provider waits for it to dial, so that
  /// the provider can say what is wrong.
  static constexpr auto kReplyTimeout = std::chrono::seconds(45);

  struct Parts {
    Loop& loop;
    std::shared_ptr<HttpExchange> exchange;
    std::unique_ptr<FrameStream> stream;
    /// The session is over and may be destroyed.
    std::function<void()> finished;
  };

  explicit StreamSession(Parts parts);
  virtual ~StreamSession() = default;
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;

  void Start(const v1::StreamHead& head);

 protected:
  /// The host takes it.
  virtual void Accepted() = 0;
  /// The next frame from the host; nullopt at the end.
  virtual void Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) = 0;
  /// The host refuses it; the kubelet's HTTP status for it.
  [[nodiscard]] virtual int StatusFor(absl::StatusCode code) const;

  void ReadStream();
  /// Ends the stream and the session: the caller must return at once.
  void Finish(const absl::Status& status);

  [[nodiscard]] Loop& loop() { return parts_.loop; }
  [[nodiscard]] HttpExchange& exchange() { return *parts_.exchange; }
  [[nodiscard]] FrameStream& stream() { return *parts_.stream; }

  /// What callbacks of the parts are guarded with.
  Lifetime lifetime_;

 private:
  void Replied(const absl::StatusOr<std::optional<v1::StreamFrame>>& frame);
  void Refuse(const absl::Status& status);

  Parts parts_;
  Timer reply_timeout_;
};

/// GET /containerLogs: data frames become chunks of the body.
class LogSession final : public StreamSession {
 public:
  using StreamSession::StreamSession;

 private:
  void Accepted() override;
  void Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) override;
  [[nodiscard]] int StatusFor(absl::StatusCode code) const override;
};

/// exec, attach, port-forward: the connection's bytes, both ways.
class UpgradeSession final : public StreamSession {
 public:
  /// Once the client's side has ended, how long the host may stay silent before the stream is cut. An API
  /// server that lost its client closes in full, which cannot be told from a half-close.
  static constexpr auto kHalfClosedSilence = std::chrono::seconds(30);

  explicit UpgradeSession(Parts parts);

 private:
  void Accepted() override;
  void Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) override;
  void ReadClient();
  void ClientEnded();

  std::unique_ptr<RawStream> client_;
  bool client_ended_ = false;
  Timer silence_;
};

}  // namespace slicelet::shim
