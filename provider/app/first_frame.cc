#include "provider/app/first_frame.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {

void FirstFrames::Await(const std::string& peer, std::shared_ptr<FrameStream> stream, OnFrame on_frame) {
  const auto own = of_peer_.find(peer);
  if (waiting_.size() >= kMaxWaiting || (own != of_peer_.end() && own->second >= most_of_peer_)) {
    LogWarning("too many streams wait for their first frame", {{"peer", peer}});
    return stream->Finish(absl::ResourceExhaustedError("too many streams"));
  }
  const auto id = next_++;
  auto& waiting = waiting_[id];
  ++of_peer_[peer];
  waiting.peer = peer;
  waiting.stream = std::move(stream);
  waiting.timeout = std::make_unique<Timer>(loop_);
  waiting.timeout->Set(kTimeout,
                       [this, id] { Drop(id, absl::DeadlineExceededError("no first frame came")); });
  waiting.stream->Read(lifetime_.Guard([this, id, on_frame = std::move(on_frame)](
                                           const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
    if (!frame.ok()) return Drop(id, frame.status());
    if (!frame->has_value()) return Drop(id, absl::OkStatus());
    if (auto stream = Take(id)) on_frame(**frame, std::move(stream));
  }));
}

std::shared_ptr<FrameStream> FirstFrames::Take(std::uint64_t id) {
  const auto node = waiting_.extract(id);
  if (node.empty()) return nullptr;
  const auto own = of_peer_.find(node.mapped().peer);
  if (--own->second == 0) of_peer_.erase(own);
  return node.mapped().stream;
}

void FirstFrames::Drop(std::uint64_t id, const absl::Status& status) {
  if (const auto stream = Take(id)) stream->Finish(status);
}

}  // namespace slicelet::provider
