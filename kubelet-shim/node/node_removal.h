#pragma once

#include <functional>
#include <string>

#include "common/base/backoff.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// Removes the Node object of a node that was given up for good, with the controller credential: a node may
/// not delete itself. Its lease goes with it, as its owner does.
///
/// A 404 counts when the API server answers something else in between and the Node is missing again: the
/// first may be a proxy's own. Only a Node that carries this hub's label is removed, and only the very one
/// that was looked at (by uid). Failures are tried again, 1 s to 1 min apart, until the Node is gone or
/// proves to be somebody else's.
class NodeRemoval {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::minutes(1)};

  /// All must outlive it. `done` is called once, and may destroy it.
  NodeRemoval(std::string node, std::string hub_id, Loop& loop, Random& random, kube::KubeApi& controller,
              std::function<void()> done);

  void Start();

 private:
  void OnNode(const absl::StatusOr<kube::Json>& node);
  void OnDeleted(const absl::Status& status);
  void Confirm();
  void Gone() const;
  void Done() const;
  void Retry(const absl::Status& why);

  const std::string node_;
  const std::string hub_id_;
  kube::KubeApi& controller_;
  const std::function<void()> done_;
  /// The API server has answered since the Node was missing.
  bool confirming_ = false;
  Backoff backoff_;
  Timer retry_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
