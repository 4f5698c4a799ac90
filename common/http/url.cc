#include "common/http/url.h"

#include <charconv>

#include "common/base/encoding.h"

namespace slicelet {
namespace {

constexpr int kHighestPort = 65'535;

absl::StatusOr<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] == '%') {
      const auto byte = HexDecode(text.substr(i + 1, 2));
      if (!byte.ok() || byte->size() != 1) {
        return absl::InvalidArgumentError("bad percent encoding in \"" + std::string(text) + "\"");
      }
      decoded += *byte;
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
    if (!plus_is_space && static_cast<unsigned char>(decoded.back()) < 0x20) {
      return absl::InvalidArgumentError("control character in the path");
    }
  }
  return decoded;
}

/// Calls `visit` with each part between separators; stops at the first error.
template <typename Visitor>
absl::Status ForEachPart(std::string_view text, char separator, Visitor visit) {
  while (true) {
    const auto end = text.find(separator);
    SLICELET_RETURN_IF_ERROR(visit(text.substr(0, end)));
    if (end == std::string_view::npos) return absl::OkStatus();
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string> RequestTarget::Query(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::vector<std::string> RequestTarget::QueryAll(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : query) {
    if (name == key) values.push_back(value);
  }
  return values;
}

absl::StatusOr<RequestTarget> ParseTarget(std::string_view target) {
  if (target.empty() || target.front() != '/') {
    return absl::InvalidArgumentError("the request target does not begin with a slash");
  }
  RequestTarget result;
  const auto question = target.find('?');
  SLICELET_RETURN_IF_ERROR(
      ForEachPart(target.substr(1, question == std::string_view::npos ? question : question - 1), '/',
                  [&](std::string_view part) -> absl::Status {
                    SLICELET_ASSIGN_OR_RETURN(auto segment, Decode(part, false));
                    result.segments.push_back(std::move(segment));
                    return absl::OkStatus();
                  }));
  if (question == std::string_view::npos) return result;
  SLICELET_RETURN_IF_ERROR(
      ForEachPart(target.substr(question + 1), '&', [&](std::string_view part) -> absl::Status {
        if (part.empty()) return absl::OkStatus();
        const auto equals = part.find('=');
        SLICELET_ASSIGN_OR_RETURN(auto key, Decode(part.substr(0, equals), true));
        std::string value;
        if (equals != std::string_view::npos) {
          SLICELET_ASSIGN_OR_RETURN(value, Decode(part.substr(equals + 1), true));
        }
        result.query.emplace_back(std::move(key), std::move(value));
        return absl::OkStatus();
      }));
  return result;
}

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text) {
  const auto colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  ListenAddress address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() || address.port < 0 ||
      address.port > kHighestPort) {
    return absl::InvalidArgumentError("\"" + text + "\" is not HOST:PORT");
  }
  address.host = text.substr(0, colon);
  return address;
}

}  // namespace slicelet
