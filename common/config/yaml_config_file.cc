#include <nlohmann/json.hpp>

#include "common/config/config_reader.h"
#include "common/json/yaml.h"

namespace slicelet {

absl::StatusOr<std::string> ReadConfigText(const std::string& path);

absl::StatusOr<nlohmann::json> LoadConfigFile(const std::string& path) {
  const auto ends_with = [&](const std::string& ending) {
    return path.size() >= ending.size() &&
           path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
  };
  if (ends_with(".json") || ends_with(".slicelet")) return LoadJsonConfigFile(path);
  SLICELET_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path));
  auto json = ParseYaml(text);
  if (!json.ok()) return WithContext(json.status(), path);
  return json;
}

}  // namespace slicelet
