#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/loop/loop.h"
#include "common/stream/frame_stream.h"

namespace slicelet::provider {

/// Holds streams that were opened until their first frame says what they are for.
class FirstFrames {
 public:
  static constexpr std::size_t kMaxWaiting = 1'000;
  /// Of one peer, so that none uses up what is there for all.
  static constexpr std::size_t kMaxWaitingOfPeer = 32;
  static constexpr auto kTimeout = std::chrono::seconds(30);
  using OnFrame = std::function<void(const v1::StreamFrame&, std::shared_ptr<FrameStream>)>;

  explicit FirstFrames(Loop& loop, std::size_t most_of_peer = kMaxWaitingOfPeer)
      : loop_(loop), most_of_peer_(most_of_peer) {}

  /// A stream that ends or stays silent is dropped.
  void Await(const std::string& peer, std::shared_ptr<FrameStream> stream, OnFrame on_frame);

 private:
  void Drop(std::uint64_t id, const absl::Status& status);
  /// Null when it does not wait any more.
  std::shared_ptr<FrameStream> Take(std::uint64_t id);

  Loop& loop_;
  const std::size_t most_of_peer_;
  std::uint64_t next_ = 1;
  struct Waiting {
    std::string peer;
    std::shared_ptr<FrameStream> stream;
    std::unique_ptr<Timer> timeout;
  };
  std::map<std::uint64_t, Waiting> waiting_;
  std::map<std::string, std::size_t> of_peer_;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
