#include "kube/http/answer.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "kube/object.h"
#include "kube/paths.h"

namespace slicelet::kube {
namespace {

constexpr std::size_t kMaxMessage = 1'024;

absl::Status Make(int code, const std::string& reason, const std::string& message) {
  switch (code) {
    case 400:
      return absl::InvalidArgumentError(message);
    case 401:
      return absl::UnauthenticatedError(message);
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 409:
      return reason == "AlreadyExists" ? absl::AlreadyExistsError(message) : absl::AbortedError(message);
    case 410:
      return absl::OutOfRangeError(message);
    case 422:
      return absl::FailedPreconditionError(message);
    case 429:
    case 502:
    case 503:
      return absl::UnavailableError(message);
    case 504:
      return absl::DeadlineExceededError(message);
    default:
      return absl::InternalError(message);
  }
}

std::int64_t ParseSeconds(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && at == text.data() + text.size() && seconds > 0 ? seconds : 0;
}

bool IsVersionTooLarge(const Json& status, const std::string& message) {
  if (message.find("Too large resource version") != std::string::npos) return true;
  for (const Json& cause : GetArray(status, "/details/causes")) {
    if (TextAt(cause, {"reason"}) == "ResourceVersionTooLarge") return true;
  }
  return false;
}

}  // namespace

absl::Status StatusOfAnswer(int code, std::string_view body, std::string_view retry_after) {
  if (code >= 200 && code < 300) return absl::OkStatus();
  std::string reason;
  std::string message;
  std::int64_t seconds = ParseSeconds(retry_after);
  const auto parsed = ParseJson(body);
  if (parsed.ok() && TextAt(*parsed, {"kind"}) == "Status") {
    reason = TextAt(*parsed, {"reason"});
    message = TextAt(*parsed, {"message"});
    if (seconds == 0) seconds = IntegerAt(*parsed, {"details", "retryAfterSeconds"}, 0);
  } else {
    message = std::string(body.substr(0, kMaxMessage));
  }
  if (message.empty()) message = "HTTP " + std::to_string(code);
  absl::Status status = Make(code, reason, message);
  if (seconds > 0 && absl::IsUnavailable(status)) SetRetryAfterSeconds(status, seconds);
  return status;
}

absl::Status StatusOfErrorEvent(const Json& object) {
  const std::string message = TextAt(object, {"message"});
  const std::string reason = TextAt(object, {"reason"});
  if (reason == "Expired" || reason == "Gone" || IsVersionTooLarge(object, message)) {
    return absl::OutOfRangeError(message);
  }
  absl::Status status = Make(static_cast<int>(IntegerAt(object, {"code"}, 500)), reason, message);
  const std::int64_t seconds = IntegerAt(object, {"details", "retryAfterSeconds"}, 0);
  if (seconds > 0 && absl::IsUnavailable(status)) SetRetryAfterSeconds(status, seconds);
  return status;
}

std::string ListQuery(const ListOptions& options) {
  std::string query;
  const auto add = [&query](const char* key, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? "" : "&") + std::string(key) + "=" + PercentEncode(value);
  };
  add("fieldSelector", options.field_selector);
  add("labelSelector", options.label_selector);
  add("resourceVersion", options.resource_version);
  return query;
}

}  // namespace slicelet::kube
