#include "edge-agent/images/docker_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "edge-agent/images/image_reference.h"

namespace slicelet::agent {
namespace {

using nlohmann::json;

std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

/// "https://index.docker.io/v1/" as "docker.io".
std::string NormaliseKey(std::string key) {
  for (const std::string scheme : {"https://", "http://"}) {
    if (key.rfind(scheme, 0) == 0) key.erase(0, scheme.size());
  }
  for (const std::string suffix : {"/v1/", "/v2/", "/v1", "/v2", "/"}) {
    if (key.size() > suffix.size() && key.compare(key.size() - suffix.size(), suffix.size(), suffix) == 0) {
      key.resize(key.size() - suffix.size());
      break;
    }
  }
  if (key == "index.docker.io" || key.rfind("index.docker.io/", 0) == 0) key.erase(0, 6);
  return key;
}

std::vector<std::string> SplitBy(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

/// "*" within one label matches any run of characters of that label.
bool LabelMatches(const std::string& pattern, const std::string& label) {
  const auto star = pattern.find('*');
  if (star == std::string::npos) return pattern == label;
  const std::string head = pattern.substr(0, star);
  const std::string tail = pattern.substr(star + 1);
  return label.size() >= head.size() + tail.size() && label.compare(0, head.size(), head) == 0 &&
         label.compare(label.size() - tail.size(), tail.size(), tail) == 0;
}

bool Matches(const std::string& key, const std::string& repository) {
  const auto key_slash = key.find('/');
  const auto slash = repository.find('/');
  const std::vector<std::string> pattern = SplitBy(key.substr(0, key_slash), '.');
  const std::vector<std::string> host = SplitBy(repository.substr(0, slash), '.');
  if (pattern.size() != host.size()) return false;
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (!LabelMatches(pattern[i], host[i])) return false;
  }
  if (key_slash == std::string::npos) return true;
  return repository.compare(slash, key.size() - key_slash, key, key_slash, std::string::npos) == 0;
}

}  // namespace

absl::StatusOr<DockerConfig> DockerConfig::Parse(const v1::FileSet& secret) {
  DockerConfig config;
  bool found = false;
  for (const auto& file : secret.files()) {
    if (file.key() != ".dockerconfigjson" && file.key() != ".dockercfg") continue;
    found = true;
    // What nests without end can not be copied.
    const json document = ParseJson(file.data()).value_or(json());
    if (!document.is_object()) return absl::InvalidArgumentError(file.key() + " is not a JSON object");
    const json empty = json::object();
    const json& auths = file.key() == ".dockercfg" ? document : document.value("auths", empty);
    if (!auths.is_object()) return absl::InvalidArgumentError("auths of " + file.key() + " is not an object");
    for (const auto& [key, value] : auths.items()) {
      if (!value.is_object())
        return absl::InvalidArgumentError("an entry of " + file.key() + " is not an object");
      Entry entry;
      entry.key = NormaliseKey(key);
      entry.auth.username = Text(value, "username");
      entry.auth.password = Text(value, "password");
      entry.auth.identity_token = Text(value, "identitytoken");
      const std::string encoded = Text(value, "auth");
      if (!encoded.empty()) {
        const auto decoded = Base64Decode(encoded);
        const auto colon = decoded.ok() ? decoded->find(':') : std::string::npos;
        if (colon == std::string::npos) {
          return absl::InvalidArgumentError("auth of an entry of " + file.key() +
                                            " is not base64 of user:password");
        }
        entry.auth.username = decoded->substr(0, colon);
        entry.auth.password = decoded->substr(colon + 1);
      }
      config.entries_.push_back(std::move(entry));
    }
  }
  if (!found) return absl::InvalidArgumentError("it has neither .dockerconfigjson nor .dockercfg");
  std::stable_sort(config.entries_.begin(), config.entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.key.size() > b.key.size(); });
  return config;
}

std::vector<RegistryAuth> DockerConfig::Lookup(const std::string& image) const {
  const std::string repository = RepositoryOf(image);
  std::vector<RegistryAuth> found;
  for (const auto& entry : entries_) {
    if (Matches(entry.key, repository)) found.push_back(entry.auth);
  }
  return found;
}

}  // namespace slicelet::agent
