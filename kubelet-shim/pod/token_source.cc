#include "kubelet-shim/pod/token_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/object.h"

namespace slicelet::shim {
namespace {

using Json = nlohmann::json;
using kube::TextAt;

constexpr char kAutomaticVolume[] = "kube-api-access-";
constexpr std::int64_t kShortestLife = 60;
constexpr Duration kLongestUse = std::chrono::hours(24);
constexpr Duration kRetryCap = std::chrono::minutes(1);

}  // namespace

struct TokenSource::Request {
  Request(Loop& loop, Random& random, TokenSpec spec)
      : spec(std::move(spec)), timer(loop), backoff({.cap = kRetryCap}, random) {}

  TokenSpec spec;
  Timer timer;
  Backoff backoff;
};

bool ApiAccess(const Json& pod, bool by_default) {
  const std::string asked = TextAt(pod, {"metadata", "annotations", "slicelet.io/api-access"});
  if (asked == "true") return true;
  if (asked == "false") return false;
  return by_default;
}

std::vector<TokenSpec> CollectTokens(const Json& pod, bool api_access_default, bool* withheld) {
  std::vector<TokenSpec> specs;
  *withheld = false;
  const bool access = ApiAccess(pod, api_access_default);
  const Json* volumes = kube::Find(pod, {"spec", "volumes"});
  if (volumes == nullptr || !volumes->is_array()) return specs;
  for (const Json& volume : *volumes) {
    const Json* sources = kube::Find(volume, {"projected", "sources"});
    if (sources == nullptr || !sources->is_array()) continue;
    const std::string name = TextAt(volume, {"name"});
    for (const Json& source : *sources) {
      const Json* token = kube::Find(source, {"serviceAccountToken"});
      if (token == nullptr || !token->is_object()) continue;
      if (name.rfind(kAutomaticVolume, 0) == 0 && !access) {
        *withheld = true;
        continue;
      }
      specs.push_back({.name = name + "/" + TextAt(*token, {"path"}),
                       .audience = TextAt(*token, {"audience"}),
                       .expiration_seconds = kube::IntegerAt(*token, {"expirationSeconds"}, 3'600)});
    }
  }
  return specs;
}

TokenSource::TokenSource(Loop& loop, Clock& clock, Random& random, std::shared_ptr<kube::KubeApi> api,
                         const Json& pod, std::vector<TokenSpec> specs, Handler handler)
    : loop_(loop),
      clock_(clock),
      api_(std::move(api)),
      ns_(kube::NamespaceOf(pod)),
      pod_name_(kube::NameOf(pod)),
      pod_uid_(kube::UidOf(pod)),
      service_account_(TextAt(pod, {"spec", "serviceAccountName"})),
      handler_(std::move(handler)) {
  if (service_account_.empty()) service_account_ = "default";
  for (auto& spec : specs) {
    requests_.push_back(std::make_unique<Request>(loop_, random, std::move(spec)));
    Ask(*requests_.back());
  }
}

TokenSource::~TokenSource() = default;

void TokenSource::Ask(Request& request) {
  Json spec = {
      {"expirationSeconds", request.spec.expiration_seconds},
      {"boundObjectRef", {{"kind", "Pod"}, {"apiVersion", "v1"}, {"name", pod_name_}, {"uid", pod_uid_}}}};
  if (!request.spec.audience.empty()) spec["audiences"] = Json::array({request.spec.audience});
  const Json body = {
      {"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", std::move(spec)}};
  api_->Create({kube::kServiceAccounts, ns_, service_account_, "token"}, body,
               lifetime_.Guard(
                   [this, &request](absl::StatusOr<Json> answer) { OnAnswer(request, std::move(answer)); }));
}

void TokenSource::OnAnswer(Request& request, absl::StatusOr<Json> answer) {
  const std::string value = answer.ok() ? TextAt(*answer, {"status", "token"}) : "";
  absl::Status status = answer.status();
  if (status.ok() && value.empty()) status = absl::InternalError("the TokenRequest's answer holds no token");
  if (!status.ok()) {
    request.timer.Set(request.backoff.Next(), [this, &request] { Ask(request); });
    handler_.on_failure(request.spec.name, status);
    return;
  }
  request.backoff.Reset();
  // The server may grant another lifetime than the one asked for.
  const std::int64_t granted = std::max(kShortestLife, kube::IntegerAt(*answer, {"spec", "expirationSeconds"},
                                                                       request.spec.expiration_seconds));
  Token& token = tokens_[request.spec.name];
  token.value = value;
  const auto expires = ParseTime(TextAt(*answer, {"status", "expirationTimestamp"}));
  token.expires = ToUnixNanos(expires.ok() ? *expires : clock_.Now() + std::chrono::seconds(granted));
  const Duration use = std::min<Duration>(std::chrono::seconds(granted) * 4 / 5, kLongestUse);
  request.timer.Set(use, [this, &request] { Ask(request); });
  handler_.on_token(request.spec.name, token);
}

}  // namespace slicelet::shim
