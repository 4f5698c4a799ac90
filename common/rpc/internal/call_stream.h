#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "common/loop/loop.h"
#include "common/rpc/internal/bidi_call.h"
#include "common/stream/frame_stream.h"

namespace slicelet {

using FrameCall = BidiCall<v1::StreamFrame, v1::StreamFrame>;

/// A FrameStream over one call, of either side.
std::unique_ptr<FrameStream> MakeCallStream(Loop& loop, std::shared_ptr<FrameCall> call);

}  // namespace slicelet
