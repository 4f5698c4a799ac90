#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "common/base/status.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet {

/// One end of a stream of frames with back-pressure: at most one read and one write are under way, and a
/// write completes only when the transport took the frame. All calls and callbacks happen on the loop.
class FrameStream {
 public:
  /// nullopt: the peer ended the stream without error.
  using OnFrame = Callback<std::optional<v1::StreamFrame>>;

  /// Destroying a stream that is not finished cancels it; a finished one still delivers what was written. A
  /// callback that is already on its way may follow the destruction: guard it with the user's `Lifetime`.
  virtual ~FrameStream() = default;
  virtual void Read(OnFrame on_frame) = 0;
  virtual void Write(v1::StreamFrame frame, StatusCallback written) = 0;
  /// Called once when the peer or the transport ends the stream with an error and this end may know it, even
  /// while nothing is read and written.
  virtual void OnBroken(StatusCallback broken) = 0;
  /// Ends our direction and then the stream; pending reads answer nullopt or the error.
  virtual void Finish(absl::Status status) = 0;
};

/// Copies frames both ways until either end finishes, then finishes the other and calls `done`. Half-closes
/// travel as frames. Returns a handle whose destruction cancels both.
std::shared_ptr<void> Splice(std::shared_ptr<FrameStream> a, std::shared_ptr<FrameStream> b,
                             StatusCallback done);

/// Two connected ends in one process, for tests and for the simulation. `window` frames are buffered each
/// way.
class Loop;
std::pair<std::unique_ptr<FrameStream>, std::unique_ptr<FrameStream>> MakeLocalFrameStreams(Loop& loop,
                                                                                            int window = 8);

}  // namespace slicelet
