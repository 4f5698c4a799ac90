#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/base/ids.h"
#include "common/base/random.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "slicelet/v1/link.pb.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet::provider {

/// Joins the shim's stream with the tunnel that the host dials for it.
///
/// The host is always the one that dials: it is told a request id, which is unguessable, counts once and only
/// for that host. Failures are answered to the shim as a StreamReply.
class StreamJoiner {
 public:
  static constexpr Duration kDialTimeout = std::chrono::seconds(30);
  static constexpr std::size_t kMaxWaiting = 1'000;
  static constexpr std::size_t kMaxJoined = 10'000;

  StreamJoiner(Loop& loop, Clock& clock, Random& random) : loop_(loop), clock_(clock), random_(random) {}

  /// Keeps the stream until the host dials. Returns what to tell the host; nullopt when too many wait (the
  /// stream was answered).
  std::optional<v1::Command> Wait(const HostId& host, const v1::StreamHead& head,
                                  std::shared_ptr<FrameStream> stream);
  void OnTunnel(const HostId& host, const std::string& request_id, std::shared_ptr<FrameStream> tunnel);
  /// The host can not serve the request.
  void OnFailure(const HostId& host, const std::string& request_id, const absl::Status& status);
  /// Ends everything of a host at once.
  void Close(const HostId& host, const absl::Status& status);

  /// Answers a stream with an error and ends it.
  static void Refuse(const std::shared_ptr<FrameStream>& stream, const absl::Status& status);
  [[nodiscard]] std::size_t joined() const { return joined_.size(); }

 private:
  struct Waiting {
    HostId host;
    std::shared_ptr<FrameStream> stream;
    std::unique_ptr<Timer> timeout;
  };
  struct Joined {
    HostId host;
    std::shared_ptr<void> splice;
  };

  Loop& loop_;
  Clock& clock_;
  Random& random_;
  std::map<std::string, Waiting> waiting_;
  std::map<std::string, Joined> joined_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
