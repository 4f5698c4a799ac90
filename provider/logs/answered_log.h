#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/base/time.h"
#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet::provider {

/// Accepts a request for logs, sends `text` as fast as the reader takes it, and ends the stream.
void AnswerLog(std::shared_ptr<FrameStream> stream, std::string text);

/// A host that says nothing for so long is not waited for where something else can be shown.
inline constexpr Duration kAnswerLogWithin = std::chrono::seconds(25);

/// The same stream, but where its first answer is that the host can not be reached, or none comes in time,
/// `otherwise` is asked for what to answer instead. nullopt, or any other error: the host's answer counts.
/// `loop` must outlive it.
std::shared_ptr<FrameStream> OrElseAnswer(Loop& loop, std::shared_ptr<FrameStream> stream,
                                          std::function<std::optional<std::string>()> otherwise);

}  // namespace slicelet::provider
