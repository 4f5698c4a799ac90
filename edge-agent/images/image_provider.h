#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/loop/loop.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Puts images on the host before containers start. Equal pulls that overlap are one pull, and at most
/// `kMaxPulls` run at a time. Backoff is the caller's: it belongs to the container that waits.
class ImageProvider {
 public:
  static constexpr int kMaxPulls = 3;

  struct Result {
    Image image;
    /// False when it was on the host already.
    bool pulled = false;
    Duration took{};
  };

  /// The dependencies must outlive this object.
  ImageProvider(Loop& loop, ContainerRuntime& runtime) : loop_(loop), runtime_(runtime) {}

  /// `on_pulling` is called when a pull begins. Errors: InvalidArgument (bad name), FailedPrecondition (not
  /// on the host and the policy is Never), else the runtime's.
  void Ensure(const std::string& name, v1::PullPolicy policy, std::vector<RegistryAuth> auths,
              std::function<void()> on_pulling, Callback<Result> done);

 private:
  struct Pull {
    std::string name;
    std::vector<RegistryAuth> auths;
    std::size_t next_auth = 0;
    bool running = false;
    MonotonicTime began;
    std::vector<Callback<Result>> waiting;
  };

  void StartPull(const std::string& name, std::vector<RegistryAuth> auths, Callback<Result> done);
  void RunPulls();
  void Attempt(const std::string& key);
  void Finish(const std::string& key, const absl::StatusOr<Result>& result);

  Loop& loop_;
  ContainerRuntime& runtime_;
  std::map<std::string, Pull> pulls_;
  std::deque<std::string> queue_;
  int running_ = 0;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
