#include "kubelet-shim/api/cluster_access.h"

#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::shim {
namespace {

using kube::Json;

const kube::Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false};
const kube::Resource kSubjectAccessReviews{"authorization.k8s.io", "v1", "subjectaccessreviews",
                                           "SubjectAccessReview", false};

/// Of the client certificate.
Json CallerOf(const HttpPeer& peer) {
  Json groups = peer.organizations;
  groups.push_back("system:authenticated");
  return {{"user", peer.common_name}, {"groups", std::move(groups)}};
}

/// Of an authenticated TokenReview.
Json CallerOf(const Json& review) {
  Json caller = {{"user", GetString(review, "/status/user/username")}};
  for (const char* member : {"uid", "groups", "extra"}) {
    const Json::json_pointer path(std::string("/status/user/") + member);
    if (review.contains(path)) caller[member] = review.at(path);
  }
  return caller;
}

absl::Status NoAnswer(const char* what, const absl::Status& status) {
  LogWarning(std::string("no answer to a ") + what, {{"error", Describe(status)}});
  return absl::UnavailableError(std::string("the API server gave no answer to a ") + what);
}

}  // namespace

void ClusterAccess::Check(const HttpRequest& request, StatusCallback done) {
  if (under_way_ >= kMaxUnderWay) {
    return done(absl::UnavailableError("too many callers wait for the API server"));
  }
  ++under_way_;
  auto finish = [this, done = std::move(done)](const absl::Status& status) {
    --under_way_;
    done(status);
  };
  Question question = QuestionOf(request);
  if (request.peer.verified) return Authorize(CallerOf(request.peer), question, 0, std::move(finish));
  const std::string token = request.BearerToken();
  if (token.empty()) return finish(absl::UnauthenticatedError("Unauthorized"));
  Authenticate(token, [this, question, finish](const absl::StatusOr<Json>& caller) {
    if (!caller.ok()) return finish(caller.status());
    Authorize(*caller, question, 0, finish);
  });
}

void ClusterAccess::Authenticate(const std::string& token, Callback<Json> done) {
  const Key key = Sha256(token).value();
  if (const auto* known = Recall(callers_, key)) return done(*known);
  controller_.Create({kTokenReviews, "", "", ""}, {{"spec", {{"token", token}}}},
                     lifetime_.Guard([this, key, done = std::move(done)](const absl::StatusOr<Json>& review) {
                       if (!review.ok()) return done(NoAnswer("TokenReview", review.status()));
                       const bool good = GetBool(*review, "/status/authenticated");
                       Caller caller = absl::UnauthenticatedError("Unauthorized");
                       if (good) caller = CallerOf(*review);
                       Remember(callers_, key, caller, good);
                       done(caller);
                     }));
}

void ClusterAccess::Authorize(const Json& caller, const Question& question, std::size_t next,
                              StatusCallback done) {
  if (next == question.subresources.size()) return done(Forbidden(GetString(caller, "/user"), question));
  Json spec = caller;
  spec["resourceAttributes"] = {{"verb", question.verb},
                                {"version", "v1"},
                                {"resource", "nodes"},
                                {"subresource", question.subresources[next]},
                                {"name", question.node}};
  const Key key = Sha256(DumpJson(spec)).value();
  const auto decide = [this, caller, question, next,
                       done = std::move(done)](const absl::StatusOr<bool>& allowed) {
    if (!allowed.ok()) return done(allowed.status());
    if (*allowed) return done(absl::OkStatus());
    Authorize(caller, question, next + 1, done);
  };
  if (const bool* known = Recall(decisions_, key)) return decide(*known);
  controller_.Create({kSubjectAccessReviews, "", "", ""}, {{"spec", std::move(spec)}},
                     lifetime_.Guard([this, key, decide](const absl::StatusOr<Json>& review) {
                       if (!review.ok()) return decide(NoAnswer("SubjectAccessReview", review.status()));
                       const bool allowed = GetBool(*review, "/status/allowed");
                       Remember(decisions_, key, allowed, allowed);
                       decide(allowed);
                     }));
}

template <typename Value>
const Value* ClusterAccess::Recall(Memory<Value>& memory, const Key& key) {
  const auto it = memory.entries.find(key);
  if (it == memory.entries.end() || it->second.until <= loop_.Now()) return nullptr;
  return &it->second.value;
}

template <typename Value>
void ClusterAccess::Remember(Memory<Value>& memory, const Key& key, Value value, bool good) {
  const MonotonicTime until = loop_.Now() + (good ? kAllowedFor : kRefusedFor);
  const auto [it, inserted] =
      memory.entries.insert_or_assign(key, typename Memory<Value>::Entry{std::move(value), until});
  if (!inserted) return;
  memory.order.push_back(key);
  if (memory.order.size() <= kMaxRemembered) return;
  memory.entries.erase(memory.order.front());
  memory.order.pop_front();
}

ClusterAccess::Question ClusterAccess::QuestionOf(const HttpRequest& request) {
  return {request.listener, VerbOf(request.method), SubresourcesOf(request.target)};
}

absl::Status ClusterAccess::Forbidden(const std::string& user, const Question& question) {
  std::string subresources;
  for (const auto& one : question.subresources) subresources += (subresources.empty() ? "" : " ") + one;
  return absl::PermissionDeniedError("Forbidden (user=" + user + ", verb=" + question.verb +
                                     ", resource=nodes, subresource(s)=[" + subresources + "])");
}

std::string VerbOf(const std::string& method) {
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "get";
}

std::vector<std::string> SubresourcesOf(const RequestTarget& target) {
  const std::string first = target.segments.empty() ? "" : target.segments.front();
  if (first == "metrics" || first == "stats") return {first};
  if (first == "logs") return {"log"};
  if (first == "healthz" || first == "configz") return {first, "proxy"};
  if (first == "pods" || first == "runningpods") return {"pods", "proxy"};
  return {"proxy"};
}

}  // namespace slicelet::shim
