#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/config/config_reader.h"
#include "common/json/json.h"

namespace slicelet {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1024} * 1024;

}  // namespace

absl::StatusOr<std::string> ReadConfigText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError("cannot read " + path + ": " + std::strerror(errno));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text.size() > kMaxConfigBytes) return absl::InvalidArgumentError(path + " is larger than 1 MiB");
  return text;
}

absl::StatusOr<nlohmann::json> LoadJsonConfigFile(const std::string& path) {
  SLICELET_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path));
  auto json = ParseJsonStrictly(text);
  if (!json.ok()) return WithContext(json.status(), path);
  return json;
}

}  // namespace slicelet
