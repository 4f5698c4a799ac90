#include "cli/kinds/object.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "common/json/yaml.h"
#include "kube/paths.h"

namespace slicelet::cli {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 20;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

absl::Status Wrong(const std::string& option, const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError(option + " \"" + text + "\": " + why);
}

absl::StatusOr<Json> ParseInteger(const std::string& option, const std::string& text) {
  errno = 0;
  char* end = nullptr;
  const std::int64_t value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno == ERANGE) return Wrong(option, text, "give a whole number");
  return Json(value);
}

absl::StatusOr<Json> ParseNumber(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return Wrong(option, text, "give a number");
  return Json(value);
}

absl::StatusOr<Json> ParseBoolean(const std::string& option, const std::string& text) {
  if (text == "true") return Json(true);
  if (text == "false") return Json(false);
  return Wrong(option, text, "give true or false");
}

/// `name=value`, and in a patch `name-`.
absl::StatusOr<Json> ParseMap(const std::string& option, const std::vector<std::string>& texts, bool patch) {
  Json map = Json::object();
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals != std::string::npos && equals > 0) {
      map[text.substr(0, equals)] = text.substr(equals + 1);
    } else if (patch && equals == std::string::npos && text.size() > 1 && text.back() == '-') {
      map[text.substr(0, text.size() - 1)] = nullptr;
    } else {
      return Wrong(option, text, patch ? "give NAME=VALUE, or NAME- to remove one" : "give NAME=VALUE");
    }
  }
  return map;
}

/// The pod of a manifest: its labels, annotations and spec.
absl::StatusOr<Json> ReadTemplate(const std::string& option, const std::string& path, FileSystem& files) {
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  SLICELET_ASSIGN_OR_RETURN(const std::string text, files.Read(absolute, kMaxFile));
  const auto parsed = ParseYaml(text);
  if (!parsed.ok()) return WithContext(parsed.status(), option + " " + path);
  const Json* spec = FindJson(*parsed, "/spec");
  if (spec == nullptr || !spec->is_object()) {
    return Wrong(option, path, "is no manifest of a Pod: it has no spec");
  }
  Json pod = {{"spec", *spec}};
  for (const char* member : {"labels", "annotations"}) {
    const Json& found = GetObject(*parsed, std::string("/metadata/") + member);
    if (!found.empty()) pod["metadata"][member] = found;
  }
  return pod;
}

absl::StatusOr<Json> ValueOf(const Field& field, const std::string& option,
                             const std::vector<std::string>& texts, bool patch, FileSystem& files) {
  const std::string& last = texts.back();
  switch (field.type) {
    case FieldType::kText:
      return Json(last);
    case FieldType::kInteger:
      return ParseInteger(option, last);
    case FieldType::kNumber:
      return ParseNumber(option, last);
    case FieldType::kBoolean:
      return ParseBoolean(option, last);
    case FieldType::kMap:
      return ParseMap(option, texts, patch);
    case FieldType::kFile:
      return ReadTemplate(option, last, files);
    case FieldType::kTexts: {
      Json list = Json::array();
      for (const std::string& text : texts) {
        for (const std::string& part : Split(text, ',')) list.push_back(part);
      }
      return list;
    }
    case FieldType::kResources: {
      Json list = Json::array();
      for (const std::string& text : texts) {
        const auto resource = ParseResource(text);
        if (!resource.ok()) return Wrong(option, text, Message(resource.status()));
        list.push_back(*resource);
      }
      return list;
    }
  }
  return absl::InternalError("a field of unknown type");
}

absl::Status SetGiven(const Kind& kind, const Given& given, bool patch, FileSystem& files, Json& spec) {
  for (const Field& field : SchemaOf(kind.resource).fields) {
    const std::string option = OptionOf(kind, field);
    const auto it = given.find(option);
    if (it == given.end() || it->second.empty()) continue;
    SLICELET_ASSIGN_OR_RETURN(Json value, ValueOf(field, option, it->second, patch, files));
    SetAt(spec, field.path, std::move(value));
  }
  return absl::OkStatus();
}

}  // namespace

void SetAt(Json& object, const std::string& path, Json value) {
  Json* at = &object;
  for (const std::string& member : Split(path, '.')) at = &(*at)[member];
  *at = std::move(value);
}

absl::StatusOr<Json> ObjectOf(const Kind& kind, const std::string& ns, const std::string& name,
                              const Given& given, FileSystem& files) {
  Json object = {{"apiVersion", kube::ApiVersion(kind.resource)},
                 {"kind", kind.resource.kind},
                 {"metadata", {{"name", name}, {"namespace", ns}}},
                 {"spec", Json::object()}};
  SLICELET_RETURN_IF_ERROR(SetGiven(kind, given, false, files, object["spec"]));
  return object;
}

absl::StatusOr<Json> PatchOf(const Kind& kind, const Given& given, const std::vector<std::string>& unset,
                             FileSystem& files) {
  Json spec = Json::object();
  for (const std::string& name : unset) {
    const Field* field = FieldOf(kind, "--" + name);
    std::string path = field == nullptr ? "" : field->path;
    for (const Field& other : SchemaOf(kind.resource).fields) {
      if (other.path.rfind(name + ".", 0) == 0) path = name;
    }
    if (path.empty()) {
      return Wrong("--unset", name, "is no option of '" + kind.noun + " set' and no group of them");
    }
    SetAt(spec, path, nullptr);
  }
  for (const auto& [path, others] : kind.displaces) {
    const auto& fields = SchemaOf(kind.resource).fields;
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.path == path; });
    if (field == fields.end()) continue;
    const auto it = given.find(OptionOf(kind, *field));
    if (it == given.end() || it->second.empty()) continue;
    for (const std::string& other : others) SetAt(spec, other, nullptr);
  }
  SLICELET_RETURN_IF_ERROR(SetGiven(kind, given, true, files, spec));
  if (spec.empty()) {
    return absl::InvalidArgumentError("nothing to set: 'slicectl " + kind.noun +
                                      " set --help' shows what can be");
  }
  return Json{{"spec", std::move(spec)}};
}

absl::StatusOr<Json> ParseResource(const std::string& text) {
  static const std::vector<std::string> members = {"name", "valueType", "units", "interval"};
  const auto parts = Split(text, ',');
  const auto head = Split(parts[0], ':');
  if (head.size() > members.size()) {
    return absl::InvalidArgumentError("more than NAME:TYPE:UNITS:INTERVAL before the first comma");
  }
  if (head[0].empty())
    return absl::InvalidArgumentError("begins with no name: give NAME:TYPE:UNITS:INTERVAL");
  Json resource = Json::object();
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!head[i].empty()) resource[members[i]] = head[i];
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto equals = parts[i].find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError("\"" + parts[i] + "\" is not KEY=VALUE");
    }
    const std::string key = parts[i].substr(0, equals), value = parts[i].substr(equals + 1);
    if (key == "minimum" || key == "maximum") {
      SLICELET_ASSIGN_OR_RETURN(resource[key], ParseNumber(key, value));
    } else if (key == "readWrite") {
      resource[key] = value;
    } else {
      resource["attributes"][key] = value;
    }
  }
  return resource;
}

}  // namespace slicelet::cli
