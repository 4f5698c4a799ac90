#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "kube/kube_api.h"

namespace slicelet::shim {

/// One serviceAccountToken source of a projected volume.
struct TokenSpec {
  /// "VOLUME/PATH": how the workload names the credential.
  std::string name;
  std::string audience;
  std::int64_t expiration_seconds = 3'600;

  friend bool operator==(const TokenSpec&, const TokenSpec&) = default;
};

/// Whether a pod's automatic kube-api-access volume gets its token (SEMANTICS 1): by its own annotation
/// slicelet.io/api-access, else by the hub's default.
bool ApiAccess(const nlohmann::json& pod, bool by_default);

/// The tokens a pod needs. Sets `*withheld` when the automatic volume is there and must not get one.
std::vector<TokenSpec> CollectTokens(const nlohmann::json& pod, bool api_access_default, bool* withheld);

/// Keeps one pod's service account tokens fresh: TokenRequest with the node's credential, bound to the pod's
/// uid, again at 80 % of the lifetime or after 24 hours, as the kubelet does. Failures are retried with
/// backoff.
class TokenSource {
 public:
  struct Token {
    std::string value;
    std::int64_t expires = 0;  // Unix nanoseconds
  };
  struct Handler {
    std::function<void(const std::string& name, const Token&)> on_token;
    std::function<void(const std::string& name, const absl::Status&)> on_failure;
  };

  TokenSource(Loop& loop, Clock& clock, Random& random, std::shared_ptr<kube::KubeApi> api,
              const nlohmann::json& pod, std::vector<TokenSpec> specs, Handler handler);
  ~TokenSource();

  /// Those at hand, for a provider that connects.
  [[nodiscard]] const std::map<std::string, Token>& tokens() const { return tokens_; }

 private:
  struct Request;

  void Ask(Request& request);
  void OnAnswer(Request& request, absl::StatusOr<kube::Json> answer);

  Loop& loop_;
  Clock& clock_;
  std::shared_ptr<kube::KubeApi> api_;
  std::string ns_;
  std::string pod_name_;
  std::string pod_uid_;
  std::string service_account_;
  const Handler handler_;
  std::map<std::string, Token> tokens_;
  std::vector<std::unique_ptr<Request>> requests_;
  Lifetime lifetime_;
};

}  // namespace slicelet::shim
