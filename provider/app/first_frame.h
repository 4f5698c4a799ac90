#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet::provider {

/// Holds streams that were opened until their first frame says what they are for.
class FirstFrames {
 public:
  static constexpr std::size_t kMaxWaiting = 1'000;
  static constexpr auto kTimeout = std::chrono::seconds(10);
  using OnFrame = std::function<void(const v1::StreamFrame&, std::shared_ptr<FrameStream>)>;

  explicit FirstFrames(Loop& loop) : loop_(loop) {}

  /// A stream that ends or stays silent is dropped.
  void Await(std::shared_ptr<FrameStream> stream, OnFrame on_frame);

 private:
  void Drop(std::uint64_t id, const absl::Status& status);

  Loop& loop_;
  std::uint64_t next_ = 1;
  struct Waiting {
    std::shared_ptr<FrameStream> stream;
    std::unique_ptr<Timer> timeout;
  };
  std::map<std::uint64_t, Waiting> waiting_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
