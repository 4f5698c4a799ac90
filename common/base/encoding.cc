#include "common/base/encoding.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cctype>

namespace slicelet {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string HexEncode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text.push_back(kDigits[(static_cast<unsigned char>(c) >> 4) & 0xf]);
    text.push_back(kDigits[static_cast<unsigned char>(c) & 0xf]);
  }
  return text;
}

absl::StatusOr<std::string> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) return absl::InvalidArgumentError("hexadecimal text has an odd length");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0)
      return absl::InvalidArgumentError("not a hexadecimal digit at " + std::to_string(i));
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 0xf]};
    }
  }
  return encoded;
}

std::string Base64Encode(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Bytes(bytes),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string compact;
  compact.reserve(text.size());
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) compact.push_back(c);
  }
  if (compact.size() % 4 != 0)
    return absl::InvalidArgumentError("base64 text is not a multiple of 4 characters long");
  std::size_t padding = 0;
  while (padding < 2 && padding < compact.size() && compact[compact.size() - 1 - padding] == '=') ++padding;
  // EVP_DecodeBlock takes '=' anywhere and '-' as an end.
  for (std::size_t i = 0; i < compact.size() - padding; ++i) {
    const auto c = static_cast<unsigned char>(compact[i]);
    if (std::isalnum(c) == 0 && c != '+' && c != '/') {
      return absl::InvalidArgumentError("not a base64 character at " + std::to_string(i));
    }
  }
  std::string bytes(compact.size() / 4 * 3 + 1, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Bytes(compact),
                                     static_cast<int>(compact.size()));
  if (length < 0) return absl::InvalidArgumentError("not base64");
  bytes.resize(static_cast<std::size_t>(length) - padding);
  return bytes;
}

Digest Sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(Bytes(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return Digest(std::move(digest));
}

std::string Short(const Digest& digest) { return HexEncode(digest.value()).substr(0, 12); }

std::string UuidV5(std::string_view space, std::string_view name) {
  std::string hex;
  for (const char c : space) {
    if (c != '-') hex.push_back(c);
  }
  const auto prefix = HexDecode(hex);
  std::string input = (prefix.ok() ? *prefix : std::string(space)) + std::string(name);
  unsigned char hash[SHA_DIGEST_LENGTH];
  SHA1(Bytes(input), input.size(), hash);
  hash[6] = static_cast<unsigned char>((hash[6] & 0x0f) | 0x50);
  hash[8] = static_cast<unsigned char>((hash[8] & 0x3f) | 0x80);
  const std::string text = HexEncode(std::string_view(reinterpret_cast<char*>(hash), 16));
  return text.substr(0, 8) + "-" + text.substr(8, 4) + "-" + text.substr(12, 4) + "-" + text.substr(16, 4) +
         "-" + text.substr(20);
}

}  // namespace slicelet
