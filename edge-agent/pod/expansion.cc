#include "edge-agent/pod/expansion.h"

namespace slicelet::agent {

std::string Expand(const std::string& text, const std::map<std::string, std::string>& values) {
  std::string expanded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      expanded.push_back(text[i]);
      continue;
    }
    const char next = text[i + 1];
    if (next == '$') {
      expanded.push_back('$');
      ++i;
      continue;
    }
    const auto close = next == '(' ? text.find(')', i + 2) : std::string::npos;
    if (close == std::string::npos) {
      expanded.push_back('$');
      continue;
    }
    const std::string name = text.substr(i + 2, close - i - 2);
    const auto it = values.find(name);
    expanded += it == values.end() ? text.substr(i, close - i + 1) : it->second;
    i = close;
  }
  return expanded;
}

}  // namespace slicelet::agent
