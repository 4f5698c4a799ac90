#include "kubelet-shim/api/log_options.h"

#include <charconv>

#include "common/base/time.h"

namespace slicelet::shim {
namespace {

/// apimachinery's conversion of query parameters: present without value is true, and so is any other text.
bool ReadBool(const RequestTarget& target, const char* key) {
  const auto value = target.Query(key);
  return value && *value != "0" && *value != "false" && *value != "False" && *value != "FALSE";
}

absl::StatusOr<std::optional<std::int64_t>> ReadInt(const RequestTarget& target, const char* key) {
  const auto value = target.Query(key);
  if (!value) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size()) {
    return absl::InvalidArgumentError("query parameter " + std::string(key) + ": \"" + *value +
                                      "\" is not a whole number");
  }
  return std::optional(number);
}

absl::Status AtLeast(const std::optional<std::int64_t>& value, std::int64_t least, const std::string& key) {
  if (!value || *value >= least) return absl::OkStatus();
  return absl::FailedPreconditionError(key + ": Invalid value: " + std::to_string(*value) +
                                       ": must be greater than or equal to " + std::to_string(least));
}

}  // namespace

absl::StatusOr<v1::LogOptions> ReadLogOptions(const RequestTarget& target) {
  v1::LogOptions options;
  options.set_follow(ReadBool(target, "follow"));
  options.set_previous(ReadBool(target, "previous"));
  options.set_timestamps(ReadBool(target, "timestamps"));
  // The alias of old clients, which wins.
  const auto tail = target.Query("tail").value_or("");
  std::optional<std::int64_t> tail_lines;
  if (tail.empty()) {
    SLICELET_ASSIGN_OR_RETURN(tail_lines, ReadInt(target, "tailLines"));
  } else if (tail != "all") {
    SLICELET_ASSIGN_OR_RETURN(tail_lines, ReadInt(target, "tail"));
  }
  SLICELET_ASSIGN_OR_RETURN(const auto limit_bytes, ReadInt(target, "limitBytes"));
  SLICELET_ASSIGN_OR_RETURN(const auto since_seconds, ReadInt(target, "sinceSeconds"));
  const auto since_time = target.Query("sinceTime").value_or("");
  if (!since_time.empty() && since_time != "null") {
    SLICELET_ASSIGN_OR_RETURN(const auto time, ParseTime(since_time));
    options.set_since_time(ToUnixNanos(time));
  }
  if (const auto stream = target.Query("stream"); stream && *stream != "All") {
    return absl::InvalidArgumentError("query parameter stream: \"" + *stream +
                                      "\" is not supported, only All");
  }

  SLICELET_RETURN_IF_ERROR(AtLeast(tail_lines, 0, "tailLines"));
  SLICELET_RETURN_IF_ERROR(AtLeast(limit_bytes, 1, "limitBytes"));
  SLICELET_RETURN_IF_ERROR(AtLeast(since_seconds, 1, "sinceSeconds"));
  if (since_seconds && options.has_since_time()) {
    return absl::FailedPreconditionError("at most one of sinceTime or sinceSeconds may be specified");
  }
  if (tail_lines) options.set_tail_lines(*tail_lines);
  if (limit_bytes) options.set_limit_bytes(*limit_bytes);
  if (since_seconds) options.set_since_seconds(*since_seconds);
  return options;
}

}  // namespace slicelet::shim
