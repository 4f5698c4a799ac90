#include "edge-agent/images/image_reference.h"

#include <algorithm>
#include <cctype>

namespace slicelet::agent {
namespace {

constexpr std::size_t kLongestRepository = 255;
constexpr std::size_t kLongestTag = 128;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// name, tag and digest of a reference, unchecked.
struct Parts {
  std::string name, tag, digest;
  bool has_tag = false, has_digest = false;
};

Parts Split(const std::string& reference) {
  Parts parts;
  parts.name = reference;
  const auto at = parts.name.find('@');
  if (at != std::string::npos) {
    parts.has_digest = true;
    parts.digest = parts.name.substr(at + 1);
    parts.name.resize(at);
  }
  const auto slash = parts.name.rfind('/');
  const auto colon = parts.name.rfind(':');
  if (colon != std::string::npos && (slash == std::string::npos || colon > slash)) {
    parts.has_tag = true;
    parts.tag = parts.name.substr(colon + 1);
    parts.name.resize(colon);
  }
  return parts;
}

/// The first component is a host when it could not be a path component: distribution's rule.
bool IsHost(const std::string& component) {
  return component == "localhost" || component.find('.') != std::string::npos ||
         component.find(':') != std::string::npos ||
         std::any_of(component.begin(), component.end(),
                     [](unsigned char c) { return std::isupper(c) != 0; });
}

/// [a-z0-9]+ joined by ".", "_", "__" or any number of "-".
bool IsPathComponent(const std::string& text) {
  if (text.empty() || !IsLowerOrDigit(text.front()) || !IsLowerOrDigit(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (IsLowerOrDigit(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !IsLowerOrDigit(text[end])) ++end;
    const std::string separator = text.substr(i, end - i);
    if (separator != "." && separator != "_" && separator != "__" &&
        separator.find_first_not_of('-') != std::string::npos) {
      return false;
    }
    i = end;
  }
  return true;
}

bool IsHostText(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

}  // namespace

absl::Status CheckImageName(const std::string& name) {
  const auto bad = [&](const std::string& why) {
    return absl::InvalidArgumentError("couldn't parse image name \"" + name + "\": " + why);
  };
  const Parts parts = Split(name);
  if (parts.name.empty()) return bad("invalid reference format");
  if (parts.name.size() > kLongestRepository)
    return bad("repository name must not be more than 255 characters");
  std::string rest = parts.name;
  const auto slash = rest.find('/');
  if (slash != std::string::npos && IsHost(rest.substr(0, slash))) {
    if (!IsHostText(rest.substr(0, slash))) return bad("invalid reference format");
    rest.erase(0, slash + 1);
  }
  std::string component;
  for (const char c : rest + "/") {
    if (c != '/') {
      component.push_back(c);
      continue;
    }
    if (!IsPathComponent(component)) {
      const bool upper = std::any_of(component.begin(), component.end(),
                                     [](unsigned char letter) { return std::isupper(letter) != 0; });
      return bad(upper ? "repository name must be lowercase" : "invalid reference format");
    }
    component.clear();
  }
  if (parts.has_tag) {
    const bool good =
        !parts.tag.empty() && parts.tag.size() <= kLongestTag && parts.tag[0] != '.' && parts.tag[0] != '-' &&
        std::all_of(parts.tag.begin(), parts.tag.end(),
                    [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-'; });
    if (!good) return bad("invalid reference format");
  }
  if (parts.has_digest) {
    const auto colon = parts.digest.find(':');
    if (colon == std::string::npos || parts.digest.size() - colon - 1 < 32 ||
        parts.digest.find_first_not_of("0123456789abcdef", colon + 1) != std::string::npos) {
      return bad("invalid reference format");
    }
  }
  return absl::OkStatus();
}

std::string RepositoryOf(const std::string& name) {
  std::string repository = Split(name).name;
  const auto slash = repository.find('/');
  if (slash != std::string::npos && IsHost(repository.substr(0, slash))) {
    if (repository.rfind("index.docker.io/", 0) == 0) repository.erase(0, 6);
    return repository;
  }
  return "docker.io/" + std::string(slash == std::string::npos ? "library/" : "") + repository;
}

}  // namespace slicelet::agent
