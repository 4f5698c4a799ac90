#include "common/json/yaml.h"

#include <yaml-cpp/yaml.h>

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

namespace slicelet {
namespace {

constexpr std::size_t kMaxYamlBytes = 8u << 20;
/// Values after expanding aliases.
constexpr int kMaxYamlValues = 500'000;

absl::Status ErrorAt(const YAML::Mark& mark, const std::string& what) {
  if (mark.is_null()) return absl::InvalidArgumentError("not acceptable YAML: " + what);
  return absl::InvalidArgumentError("not acceptable YAML at line " + std::to_string(mark.line + 1) +
                                    ", column " + std::to_string(mark.column + 1) + ": " + what);
}

bool IsOneOf(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text == word) return true;
  }
  return false;
}

/// Go's strconv.ParseInt with base 0 after "_" was removed: decimal, 0x, 0o, 0b and, as YAML 1.1 has it, 017.
bool ReadInteger(const std::string& text, Json* value) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  std::size_t at = 0;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) ++at;
  int base = 10;
  if (at + 1 < digits.size() && digits[at] == '0') {
    const char kind = static_cast<char>(std::tolower(static_cast<unsigned char>(digits[at + 1])));
    if (kind == 'x' || kind == 'o' || kind == 'b') {
      base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
      at += 2;
    } else {
      base = 8;
      at += 1;
    }
  }
  if (at == digits.size() || std::isxdigit(static_cast<unsigned char>(digits[at])) == 0) return false;
  errno = 0;
  char* end = nullptr;
  const std::uint64_t magnitude = std::strtoull(digits.c_str() + at, &end, base);
  if (*end != '\0' || errno == ERANGE) return false;
  if (!negative) {
    if (magnitude <= static_cast<std::uint64_t>(INT64_MAX)) {
      *value = static_cast<std::int64_t>(magnitude);
    } else {
      *value = magnitude;
    }
    return true;
  }
  if (magnitude > static_cast<std::uint64_t>(INT64_MAX) + 1) return false;
  *value = static_cast<std::int64_t>(-magnitude);
  return true;
}

/// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
bool LooksLikeFloat(const std::string& text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t first = at;
    while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0) ++at;
    return at - first;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    fraction = digits();
  }
  if (whole == 0 && fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

absl::StatusOr<Json> ResolvePlain(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return Json();
  if (IsOneOf(text, {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}))
    return Json(true);
  if (IsOneOf(text, {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"}))
    return Json(false);
  const char first = text[0];
  if (std::isdigit(static_cast<unsigned char>(first)) == 0 && first != '-' && first != '+' && first != '.') {
    return Json(text);
  }
  Json number;
  if (ReadInteger(text, &number)) return number;
  if (LooksLikeFloat(text)) {
    const double value = std::strtod(text.c_str(), nullptr);
    if (std::isfinite(value)) return Json(value);
    return ErrorAt(node.Mark(), "number " + text + " is too large");
  }
  if (IsOneOf(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                     ".NaN", ".NAN"})) {
    return ErrorAt(node.Mark(), "JSON has no " + text);
  }
  return Json(text);
}

absl::StatusOr<Json> ResolveScalar(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return Json(node.Scalar());
  if (tag.empty() || tag == "?" ||
      IsOneOf(tag, {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool",
                    "tag:yaml.org,2002:null"})) {
    return ResolvePlain(node);
  }
  return ErrorAt(node.Mark(), "tag " + tag + " is not supported");
}

class Converter {
 public:
  absl::StatusOr<Json> Convert(const YAML::Node& node, int depth) {
    if (depth > kMaxJsonDepth) {
      return ErrorAt(node.Mark(), "nests deeper than " + std::to_string(kMaxJsonDepth));
    }
    if (++values_ > kMaxYamlValues) {
      return ErrorAt(node.Mark(),
                     "more than " + std::to_string(kMaxYamlValues) + " values with aliases expanded");
    }
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return Json();
      case YAML::NodeType::Scalar:
        return ResolveScalar(node);
      case YAML::NodeType::Sequence: {
        Json array = Json::array();
        for (const auto& element : node) {
          SLICELET_ASSIGN_OR_RETURN(Json value, Convert(element, depth + 1));
          array.push_back(std::move(value));
        }
        return array;
      }
      case YAML::NodeType::Map:
        return ConvertMap(node, depth);
    }
    return ErrorAt(node.Mark(), "unknown kind of value");
  }

 private:
  absl::StatusOr<Json> ConvertMap(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& entry : node) {
      SLICELET_ASSIGN_OR_RETURN(std::string key, KeyOf(entry.first));
      if (object.contains(key)) return ErrorAt(entry.first.Mark(), "key \"" + key + "\" stands twice");
      SLICELET_ASSIGN_OR_RETURN(Json value, Convert(entry.second, depth + 1));
      object.emplace(std::move(key), std::move(value));
    }
    return object;
  }

  /// Numbers and booleans as keys become text, as in Kubernetes.
  static absl::StatusOr<std::string> KeyOf(const YAML::Node& node) {
    if (node.IsNull()) return ErrorAt(node.Mark(), "a key must not be null");
    if (!node.IsScalar()) return ErrorAt(node.Mark(), "a key must be text");
    SLICELET_ASSIGN_OR_RETURN(const Json key, ResolveScalar(node));
    if (key.is_string()) {
      if (key == "<<" && node.Tag() != "!") return ErrorAt(node.Mark(), "merge keys (<<) are not supported");
      return key.get<std::string>();
    }
    if (key.is_null()) return ErrorAt(node.Mark(), "a key must not be null");
    return key.dump();
  }

  int values_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Json>> ParseYamlDocuments(std::string_view text) {
  if (text.size() > kMaxYamlBytes) {
    return absl::InvalidArgumentError("not acceptable YAML: larger than " + std::to_string(kMaxYamlBytes) +
                                      " bytes");
  }
  try {
    std::vector<Json> documents;
    Converter converter;
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      SLICELET_ASSIGN_OR_RETURN(Json document, converter.Convert(node, 0));
      if (!document.is_null()) documents.push_back(std::move(document));
    }
    return documents;
  } catch (const YAML::Exception& error) {
    return ErrorAt(error.mark, error.msg);
  }
}

absl::StatusOr<Json> ParseYaml(std::string_view text) {
  SLICELET_ASSIGN_OR_RETURN(std::vector<Json> documents, ParseYamlDocuments(text));
  if (documents.size() == 1) return std::move(documents[0]);
  return absl::InvalidArgumentError("holds " + std::to_string(documents.size()) +
                                    " YAML documents instead of one");
}

}  // namespace slicelet
