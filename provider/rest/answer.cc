#include "provider/rest/answer.h"

#include "kube/kube_api.h"

namespace slicelet::provider {
namespace {

constexpr int kRetrySeconds = 5;

/// The field that the API server complains of: 'IotGateway.slicelet.io "x" is invalid: spec.target: Invalid
/// value: ...', or the first of several in brackets.
std::string FieldOf(const std::string& message) {
  static constexpr std::string_view kInvalid = " is invalid: ";
  const auto at = message.find(kInvalid);
  if (at == std::string::npos) return "";
  const auto begin = message.find_first_not_of('[', at + kInvalid.size());
  if (begin == std::string::npos) return "";
  const auto end = message.find(": ", begin);
  if (end == std::string::npos || message.find(' ', begin) < end) return "";
  return message.substr(begin, end - begin);
}

Refusal Unreachable(const absl::Status& status) {
  return {.status = 503,
          .reason = "KubernetesUnavailable",
          .error = "Kubernetes did not do what was asked: " + Message(status),
          .remedy = "ask again later; what was written may have been carried out"};
}

Refusal RefusalFor(const absl::Status& status, const std::string& what) {
  const std::string message = what + ": " + Message(status);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return {.status = 422, .reason = "Invalid", .error = message, .field = FieldOf(Message(status))};
    case absl::StatusCode::kFailedPrecondition:
      return {.status = 422, .reason = "Invalid", .error = message, .field = FieldOf(Message(status))};
    case absl::StatusCode::kNotFound:
      return {.status = 404, .reason = "NotFound", .error = what + " does not exist"};
    case absl::StatusCode::kAlreadyExists:
      return {.status = 409,
              .reason = "AlreadyExists",
              .error = what + " exists already",
              .remedy = "change it, or choose another name"};
    case absl::StatusCode::kAborted:
      return {.status = 409,
              .reason = "Conflict",
              .error = message,
              .remedy = "read it again, and change what it is now"};
    case absl::StatusCode::kPermissionDenied:
      return {
          .status = 403,
          .reason = "ForbiddenByKubernetes",
          .error = message,
          .remedy = "a quota, an admission policy or the roles of the provider's account do not allow it"};
    default:
      return Unreachable(status);
  }
}

}  // namespace

RestAnswer Refuse(const Refusal& refusal) {
  RestAnswer answer{.status = refusal.status, .body = {{"error", refusal.error}, {"reason", refusal.reason}}};
  if (!refusal.field.empty()) answer.body["field"] = refusal.field;
  if (!refusal.remedy.empty()) answer.body["remedy"] = refusal.remedy;
  for (const Violation& violation : refusal.violations) {
    answer.body["violations"].push_back({{"field", violation.field}, {"error", violation.problem}});
  }
  return answer;
}

RestAnswer RefuseInput(const std::vector<Violation>& violations) {
  const Violation& first = violations.front();
  return Refuse({.status = 400,
                 .reason = "BadRequest",
                 .error = first.field + " " + first.problem,
                 .field = first.field,
                 .violations = violations});
}

RestAnswer RefuseFor(const absl::Status& status, const std::string& what) {
  RestAnswer answer = Refuse(RefusalFor(status, what));
  if (answer.status == 503) {
    const auto seconds = kube::RetryAfterSeconds(status).value_or(kRetrySeconds);
    answer.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  return answer;
}

}  // namespace slicelet::provider
