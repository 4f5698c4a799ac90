#include "common/json/yaml_writer.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json/yaml.h"

namespace slicelet {
namespace {

/// Text that without quotes would be read as something else: "yes", "017", "1e3", "".
bool NeedsQuotes(const std::string& text) {
  // The emitter leaves a line end within a plain text to chance.
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return true;
  const auto read = ParseYaml(text);
  return !read.ok() || *read != Json(text);
}

void Emit(const Json& json, YAML::Emitter& out) {
  switch (json.type()) {
    case Json::value_t::object:
      out << YAML::BeginMap;
      for (const auto& [key, value] : json.items()) {
        out << YAML::Key;
        Emit(Json(key), out);
        out << YAML::Value;
        Emit(value, out);
      }
      out << YAML::EndMap;
      return;
    case Json::value_t::array:
      if (json.empty()) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const Json& value : json) Emit(value, out);
      out << YAML::EndSeq;
      return;
    case Json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      if (NeedsQuotes(text)) out << YAML::DoubleQuoted;
      out << text;
      return;
    }
    case Json::value_t::null:
      out << YAML::Null;
      return;
    default:
      // Numbers and booleans look in YAML as they do in JSON.
      out << json.dump();
  }
}

}  // namespace

std::string DumpYaml(const Json& json) {
  YAML::Emitter out;
  Emit(json, out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace slicelet
