#pragma once

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// Streams that may be open at one time; more are refused.
inline constexpr std::size_t kMaxTunnels = 64;

/// Carries out the hub's commands: each at most once, and not after its expiry.
class Commands {
 public:
  using Dial = std::function<std::unique_ptr<FrameStream>()>;
  using Serve = std::function<void(const v1::StreamHead&, std::shared_ptr<FrameStream>)>;
  using Answer = std::function<void(const v1::Reply&)>;
  using ReadLogs = std::function<void(const std::string& request_id, const v1::LogRange&)>;
  /// Empty where the ends of logs can not be read.
  using ReadTail = std::function<absl::StatusOr<v1::LogTail>(const v1::LogTailWanted&)>;

  Commands(Dial dial, Serve serve, ReadLogs read_logs, ReadTail read_tail, Answer answer)
      : dial_(std::move(dial)),
        serve_(std::move(serve)),
        read_logs_(std::move(read_logs)),
        read_tail_(std::move(read_tail)),
        answer_(std::move(answer)) {}

  /// `hub_now` is the hub's clock; `held` the manifest the host holds.
  void Run(const v1::Command& command, std::int64_t hub_now, const std::optional<v1::SignedManifest>& held);

 private:
  void SendTail(const std::string& request_id, const v1::LogTailWanted& wanted);
  void OpenTunnel(const std::string& request_id, const v1::StreamHead& head);
  void Refuse(const std::string& request_id, const absl::Status& status);

  const Dial dial_;
  const Serve serve_;
  const ReadLogs read_logs_;
  const ReadTail read_tail_;
  const Answer answer_;
  std::set<std::string> seen_;
  std::deque<std::string> order_;
  std::list<std::weak_ptr<FrameStream>> tunnels_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
