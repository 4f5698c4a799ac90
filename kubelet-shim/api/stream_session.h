#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/http/http_server.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "kubelet-shim/channels/channel_translator.h"

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
  /// The same with an answer to the client, which has none yet.
  void Refuse(const absl::Status& status);

  [[nodiscard]] Loop& loop() { return parts_.loop; }
  [[nodiscard]] HttpExchange& exchange() { return *parts_.exchange; }
  [[nodiscard]] FrameStream& stream() { return *parts_.stream; }

  /// What callbacks of the parts are guarded with.
  Lifetime lifetime_;

 private:
  void Replied(const absl::StatusOr<std::optional<v1::StreamFrame>>& frame);
  void Begin();

  Parts parts_;
  /// The reply can be known before it is known that what it answers was written; only then may more follow.
  bool head_written_ = false, accepted_ = false;
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
  void WriteHost();
  void AwaitHost();

  std::unique_ptr<RawStream> client_;
  /// Read while the host takes what came before: a client that goes shows only when it is read from.
  std::string from_client_;
  bool writing_host_ = false;
  bool client_ended_ = false, end_written_ = false;
  Timer silence_;
};

/// exec and attach of a client that speaks v5.channel.k8s.io. The runtime is read on once the client has
/// taken what came of it; the client is one reading ahead, because one that goes shows only then.
class ChannelSession final : public StreamSession {
 public:
  /// Answers (to pings) that one side may let wait while the other talks.
  static constexpr std::size_t kMaxWaiting = std::size_t{256} << 10;

  ChannelSession(Parts parts, ChannelTranslator translator);

 private:
  void Accepted() override;
  void Received(absl::StatusOr<std::optional<v1::StreamFrame>> frame) override;
  void ReadRuntime();
  void ReadClient();
  void Said(const absl::StatusOr<std::string>& data);
  void Pass(const ChannelTranslator::Output& output);
  void WriteClient();
  void WriteRuntime();
  void RuntimeEnded();

  ChannelTranslator translator_;
  /// Null until the runtime has upgraded: before, the client may still be refused.
  std::unique_ptr<RawStream> client_;
  std::string to_client_, to_runtime_;
  bool writing_client_ = false, writing_runtime_ = false;
  bool reading_client_ = false, reading_runtime_ = false;
  /// The session is over when `to_client_` is written.
  bool ending_ = false;
};

}  // namespace slicelet::shim
