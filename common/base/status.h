#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <string>

namespace slicelet {

/// Called once, on the loop, with the result of an asynchronous operation.
template <typename T>
using Callback = std::function<void(absl::StatusOr<T>)>;
using StatusCallback = std::function<void(absl::Status)>;

/// The status with `context + ": "` before its message. OK stays OK.
absl::Status WithContext(const absl::Status& status, const std::string& context);

/// The message as std::string; Debian's Abseil has a string_view of its own that does not convert.
std::string Message(const absl::Status& status);

/// "CODE: message" for logs.
std::string Describe(const absl::Status& status);

}  // namespace slicelet

/// Returns the status from the enclosing function when it is not OK.
#define SLICELET_RETURN_IF_ERROR(expression)             \
  do {                                                   \
    absl::Status slicelet_status_ = (expression);        \
    if (!slicelet_status_.ok()) return slicelet_status_; \
  } while (false)

#define SLICELET_CONCAT_INNER_(a, b) a##b
#define SLICELET_CONCAT_(a, b) SLICELET_CONCAT_INNER_(a, b)

/// `SLICELET_ASSIGN_OR_RETURN(auto x, F());` returns F's error or goes on with its value.
#define SLICELET_ASSIGN_OR_RETURN(declaration, expression) \
  SLICELET_ASSIGN_OR_RETURN_IMPL_(SLICELET_CONCAT_(slicelet_result_, __LINE__), declaration, expression)
// A declaration can not stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define SLICELET_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                            \
  if (!result.ok()) return result.status();                              \
  declaration = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)
