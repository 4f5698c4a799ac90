#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace slicelet {

using Json = nlohmann::json;

/// Kubernetes objects nest about 20 deep.
inline constexpr int kMaxJsonDepth = 64;

/// InvalidArgument for text that is not JSON (with line and column) or nests deeper than `max_depth`. Of
/// duplicate keys the last counts, as in the API server.
absl::StatusOr<Json> ParseJson(std::string_view text, int max_depth = kMaxJsonDepth);
/// As ParseJson, and refuses duplicate keys: for files that people write.
absl::StatusOr<Json> ParseJsonStrictly(std::string_view text, int max_depth = kMaxJsonDepth);

/// Compact text. Invalid UTF-8 becomes U+FFFD instead of an exception.
std::string DumpJson(const Json& json);

/// What stands at an RFC 6901 pointer such as "/metadata/labels/app~1name", or nullptr. Never throws.
const Json* FindJson(const Json& json, std::string_view pointer);

/// The value at `pointer`, or `fallback` when it is missing or of another type.
std::string GetString(const Json& json, std::string_view pointer, std::string_view fallback = "");
std::int64_t GetInt(const Json& json, std::string_view pointer, std::int64_t fallback = 0);
bool GetBool(const Json& json, std::string_view pointer, bool fallback = false);
/// The array or object at `pointer`; an empty one when it is missing or of another type. Refers into `json`
/// or to a static value.
const Json& GetArray(const Json& json, std::string_view pointer);
const Json& GetObject(const Json& json, std::string_view pointer);

/// One part of a pointer from a key: "~" and "/" escaped.
std::string EscapeJsonPointer(std::string_view key);

}  // namespace slicelet
