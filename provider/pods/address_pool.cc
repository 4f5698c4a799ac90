#include "provider/pods/address_pool.h"

#include <arpa/inet.h>

#include <charconv>

namespace slicelet::provider {
namespace {

constexpr int kShortestPrefix = 12;
constexpr int kLongestPrefix = 30;

std::optional<std::uint32_t> Parse(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string Format(std::uint32_t value) {
  in_addr address{};
  address.s_addr = htonl(value);
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &address, text, sizeof text);
  return text;
}

// FNV-1a: the same everywhere and in every version.
std::uint32_t PlaceOf(const PodUid& uid) {
  std::uint32_t hash = 2166136261U;
  for (const char c : uid.value()) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

absl::StatusOr<AddressPool> AddressPool::Make(const std::string& cidr) {
  const auto wrong = [&cidr](const std::string& why) {
    return absl::InvalidArgumentError("\"" + cidr + "\": " + why);
  };
  const std::size_t slash = cidr.find('/');
  if (slash == std::string::npos) return wrong("want ADDRESS/PREFIX");
  const auto base = Parse(cidr.substr(0, slash));
  if (!base) return wrong("not an IPv4 address");
  int prefix = 0;
  const char* end = cidr.data() + cidr.size();
  const auto [rest, error] = std::from_chars(cidr.data() + slash + 1, end, prefix);
  if (error != std::errc() || rest != end || prefix < kShortestPrefix || prefix > kLongestPrefix) {
    return wrong("the prefix must be from 12 to 30");
  }
  const std::uint32_t size = std::uint32_t{1} << (32 - prefix);
  if ((*base & (size - 1)) != 0) return wrong("the address has bits below the prefix");
  return AddressPool(*base + 1, size - 2);
}

void AddressPool::Learn(const PodUid& uid, const std::string& address) {
  const auto value = Parse(address);
  if (!value || *value < first_ || *value - first_ >= count_) return;
  const auto former = by_pod_.find(uid);
  if (former != by_pod_.end() && former->second == *value) return;
  if (!taken_.insert(*value).second) return;
  if (former != by_pod_.end()) taken_.erase(former->second);
  by_pod_[uid] = *value;
}

std::string AddressPool::AddressOf(const PodUid& uid) {
  const auto it = by_pod_.find(uid);
  if (it != by_pod_.end()) return Format(it->second);
  if (taken_.size() >= count_) return "";
  std::uint32_t offset = PlaceOf(uid) % count_;
  while (!taken_.insert(first_ + offset).second) offset = (offset + 1) % count_;
  by_pod_[uid] = first_ + offset;
  return Format(first_ + offset);
}

void AddressPool::Release(const PodUid& uid) {
  const auto it = by_pod_.find(uid);
  if (it == by_pod_.end()) return;
  taken_.erase(it->second);
  by_pod_.erase(it);
}

}  // namespace slicelet::provider
