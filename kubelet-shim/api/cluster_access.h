#pragma once

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/http/http_server.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// The rights of kubelet API callers as the cluster grants them, like the kubelet's webhook modes: a bearer
/// token is shown to the API server (TokenReview), and whoever it or the client certificate names is allowed
/// what RBAC says of the node's subresources (SubjectAccessReview).
///
/// Answers are remembered briefly: a caller that may for `kAllowedFor`, one that may not for `kRefusedFor`.
/// A withdrawn right or token ends after that. Tokens themselves are not kept. Owned by one loop.
class ClusterAccess {
 public:
  static constexpr Duration kAllowedFor = std::chrono::minutes(1);
  static constexpr Duration kRefusedFor = std::chrono::seconds(10);
  static constexpr std::size_t kMaxRemembered = 1'024;
  /// Callers that wait for the API server's answer.
  static constexpr std::size_t kMaxUnderWay = 64;

  /// Both must outlive it. `controller` may create tokenreviews and subjectaccessreviews.
  ClusterAccess(Loop& loop, kube::KubeApi& controller) : loop_(loop), controller_(controller) {}

  /// OK, Unauthenticated, PermissionDenied (with user, verb and resource, as the kubelet says it), or
  /// Unavailable when the API server gives no answer.
  void Check(const HttpRequest& request, StatusCallback done);

 private:
  /// What a decision depends on: who, or which token; then what.
  using Key = std::string;
  template <typename Value>
  struct Memory {
    struct Entry {
      Value value;
      MonotonicTime until;
    };
    std::map<Key, Entry> entries;
    std::deque<Key> order;
  };
  /// Of status.user of a TokenReview: user, uid, groups, extra of a SubjectAccessReview.
  using Caller = absl::StatusOr<kube::Json>;
  struct Question {
    std::string node;
    std::string verb;
    /// One of them is enough; asked in this order.
    std::vector<std::string> subresources;
  };

  static Question QuestionOf(const HttpRequest& request);
  static absl::Status Forbidden(const std::string& user, const Question& question);
  void Authenticate(const std::string& token, Callback<kube::Json> done);
  void Authorize(const kube::Json& caller, const Question& question, std::size_t next, StatusCallback done);
  template <typename Value>
  const Value* Recall(Memory<Value>& memory, const Key& key);
  template <typename Value>
  void Remember(Memory<Value>& memory, const Key& key, Value value, bool good);

  Loop& loop_;
  kube::KubeApi& controller_;
  Memory<Caller> callers_;
  Memory<bool> decisions_;
  std::size_t under_way_ = 0;
  Lifetime lifetime_;
};

/// The kubelet's words for what a request does (pkg/kubelet/server/auth.go): the verb, and the subresources
/// of the node of which one must be allowed.
std::string VerbOf(const std::string& method);
std::vector<std::string> SubresourcesOf(const RequestTarget& target);

}  // namespace slicelet::shim
