#pragma once

#include <memory>
#include <string>

#include "common/stream/frame_stream.h"

namespace slicelet::provider {

/// The same stream, with `line` as its first data once the host has accepted it. For logs that come from one
/// host of many.
std::shared_ptr<FrameStream> Announce(std::shared_ptr<FrameStream> stream, std::string line);

}  // namespace slicelet::provider
