#include "provider/app/first_frame.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {

void FirstFrames::Await(std::shared_ptr<FrameStream> stream, OnFrame on_frame) {
  if (waiting_.size() >= kMaxWaiting) {
    LogWarning("too many streams wait for their first frame");
    return stream->Finish(absl::ResourceExhaustedError("too many streams"));
  }
  const auto id = next_++;
  auto& waiting = waiting_[id];
  waiting.stream = std::move(stream);
  waiting.timeout = std::make_unique<Timer>(loop_);
  waiting.timeout->Set(kTimeout,
                       [this, id] { Drop(id, absl::DeadlineExceededError("no first frame came")); });
  waiting.stream->Read(lifetime_.Guard([this, id, on_frame = std::move(on_frame)](
                                           const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
    if (!frame.ok()) return Drop(id, frame.status());
    if (!frame->has_value()) return Drop(id, absl::OkStatus());
    const auto node = waiting_.extract(id);
    if (!node.empty()) on_frame(**frame, node.mapped().stream);
  }));
}

void FirstFrames::Drop(std::uint64_t id, const absl::Status& status) {
  const auto node = waiting_.extract(id);
  if (!node.empty()) node.mapped().stream->Finish(status);
}

}  // namespace slicelet::provider
