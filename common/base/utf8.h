#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace slicelet {

/// The size of the character that begins at `at`, in UTF-8 as RFC 3629 has it. 0: none begins there.
inline std::size_t CharacterSize(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xbf; };
  const unsigned first = byte(0);
  if (at >= text.size()) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !follows(1)) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) {
    // Neither what two bytes can say, nor half of a UTF-16 pair.
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return follows(2) ? 3 : 0;
  }
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return follows(2) && follows(3) ? 4 : 0;
}

/// So many whole characters from the beginning of `text` as have at most `most` bytes.
inline std::string_view Beginning(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  for (std::size_t before = 1; before <= std::min<std::size_t>(3, most); ++before)
    if (CharacterSize(text, most - before) > before) end = most - before;
  return text.substr(0, end);
}

/// `bytes` as a text that a protobuf string and JSON can hold: what is no character becomes U+FFFD, byte by
/// byte.
inline std::string ToUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = CharacterSize(bytes, at);
    if (size == 0)
      text += "\xef\xbf\xbd";
    else
      text += bytes.substr(at, size);
    at += size == 0 ? 1 : size;
  }
  return text;
}

}  // namespace slicelet
