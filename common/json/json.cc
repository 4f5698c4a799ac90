#include "common/json/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace slicelet {
namespace {

/// Whether brackets outside strings nest deeper than `max_depth`. Text that is not JSON gets any answer.
bool NestsDeeper(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

/// Without the library's own prefix "[json.exception.parse_error.101] ".
std::string Reason(const std::exception& error) {
  const std::string what = error.what();
  const auto end = what.find("] ");
  return end == std::string::npos ? what : what.substr(end + 2);
}

absl::StatusOr<Json> Parse(std::string_view text, int max_depth, const Json::parser_callback_t& callback) {
  if (NestsDeeper(text, max_depth)) {
    return absl::InvalidArgumentError("not acceptable JSON: nests deeper than " + std::to_string(max_depth));
  }
  try {
    return Json::parse(text.begin(), text.end(), callback);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError("not JSON: " + Reason(error));
  }
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, int max_depth) {
  return Parse(text, max_depth, nullptr);
}

absl::StatusOr<Json> ParseJsonStrictly(std::string_view text, int max_depth) {
  std::vector<std::set<std::string>> keys;
  std::string duplicate;
  auto parsed = Parse(text, max_depth, [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second &&
        duplicate.empty()) {
      duplicate = value.get<std::string>();
    }
    return true;
  });
  if (parsed.ok() && !duplicate.empty()) {
    return absl::InvalidArgumentError("key \"" + duplicate + "\" stands twice in one object");
  }
  return parsed;
}

std::string DumpJson(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* FindJson(const Json& json, std::string_view pointer) {
  const Json* at = &json;
  while (!pointer.empty()) {
    if (pointer[0] != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string key;
    for (std::size_t i = 0; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end) {
        ++i;
        key += pointer[i] == '1' ? '/' : '~';
      } else {
        key += pointer[i];
      }
    }
    pointer.remove_prefix(end);
    if (at->is_object()) {
      const auto it = at->find(key);
      if (it == at->end()) return nullptr;
      at = &*it;
    } else if (at->is_array()) {
      if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != std::string::npos)
        return nullptr;
      const auto index = static_cast<std::size_t>(std::stoul(key));
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

std::string GetString(const Json& json, std::string_view pointer, std::string_view fallback) {
  const Json* value = FindJson(json, pointer);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string(fallback);
}

std::int64_t GetInt(const Json& json, std::string_view pointer, std::int64_t fallback) {
  const Json* value = FindJson(json, pointer);
  return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : fallback;
}

bool GetBool(const Json& json, std::string_view pointer, bool fallback) {
  const Json* value = FindJson(json, pointer);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : fallback;
}

const Json& GetArray(const Json& json, std::string_view pointer) {
  static const Json empty = Json::array();
  const Json* value = FindJson(json, pointer);
  return value != nullptr && value->is_array() ? *value : empty;
}

const Json& GetObject(const Json& json, std::string_view pointer) {
  static const Json empty = Json::object();
  const Json* value = FindJson(json, pointer);
  return value != nullptr && value->is_object() ? *value : empty;
}

std::string EscapeJsonPointer(std::string_view key) {
  std::string escaped;
  for (const char c : key) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace slicelet
