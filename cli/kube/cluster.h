#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/loop/asio_loop.h"
#include "kube/kube_api.h"

namespace slicelet::cli {

using Json = nlohmann::json;

/// An API server as one command sees it: calls block, and their errors say what to do. Not thread-safe.
class Cluster {
 public:
  /// A write that another one got in the way of is made again this often.
  static constexpr int kAttempts = 6;

  /// `where` names the server in errors. All must outlive it.
  Cluster(AsioLoop& loop, Random& random, kube::KubeApi& api, std::string where);

  absl::StatusOr<Json> Get(const kube::ObjectRef& ref);
  absl::StatusOr<std::vector<Json>> List(const kube::Resource& kind, const std::string& ns,
                                         const std::string& label_selector);
  absl::StatusOr<Json> Create(const kube::ObjectRef& ref, const Json& object);
  /// Merge patch; conflicts are tried again.
  absl::StatusOr<Json> Patch(const kube::ObjectRef& ref, const Json& patch);
  /// The object of this uid and no later one; empty: whichever has the name.
  absl::Status Delete(const kube::ObjectRef& ref, const std::string& uid);

  struct Awaited {
    kube::ObjectRef ref;
    /// What is waited for, in words: "Ready".
    std::string what;
    /// The condition that tells why it does not hold yet.
    std::string condition;
    /// Null is an object that is not there.
    std::function<bool(const Json*)> holds;
    /// The uid that is meant: another object of that name is not it. Empty: any.
    std::string uid;
    Duration timeout;
  };
  /// Watches the object until `holds`; `say` gets a line for each step on the way. DeadlineExceeded says how
  /// far it has come, NotFound that it was deleted meanwhile.
  absl::Status Wait(const Awaited& awaited, const std::function<void(const std::string&)>& say);

 private:
  [[nodiscard]] absl::Status Explained(const absl::Status& status, const kube::Resource& kind) const;

  AsioLoop& loop_;
  Random& random_;
  kube::KubeApi& api_;
  const std::string where_;
};

}  // namespace slicelet::cli
