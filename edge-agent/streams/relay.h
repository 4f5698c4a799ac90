#pragma once

#include <memory>
#include <string>

#include "common/loop/asio_loop.h"
#include "common/stream/frame_stream.h"
#include "edge-agent/streams/upgrade_request.h"

namespace slicelet::agent {

/// How long the runtime may take no input before it is looked whether the hub still has the stream.
inline constexpr Duration kRelayProbe = std::chrono::seconds(60);

/// Dials the streaming server, sends `request`, answers OK on `stream` and copies bytes both ways, at the
/// pace of the slower side, until both directions have ended or nothing moved for four hours. `loop` must
/// outlive it.
void Relay(AsioLoop& loop, const StreamingUrl& url, std::string request, std::shared_ptr<FrameStream> stream,
           Duration probe = kRelayProbe);

/// Sends `status` as the reply and ends the stream.
void ReplyAndFinish(const absl::Status& status, std::shared_ptr<FrameStream> stream);

}  // namespace slicelet::agent
