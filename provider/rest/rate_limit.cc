#include "provider/rest/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>

namespace slicelet::provider {
namespace {

constexpr char kShared[] = "";
constexpr std::size_t kPrefixBytes = 8;

}  // namespace

double RateLimit::TokensOf(const Bucket& bucket, MonotonicTime now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  return std::min(options_.burst, bucket.tokens + seconds * options_.per_second);
}

RateLimit::Bucket& RateLimit::BucketOf(const std::string& key, MonotonicTime now) {
  const auto it = buckets_.find(key);
  if (it != buckets_.end()) return it->second;
  if (buckets_.size() >= kMaxKeys) {
    std::erase_if(buckets_, [&](const auto& entry) { return TokensOf(entry.second, now) >= options_.burst; });
  }
  const std::string shown = buckets_.size() >= kMaxKeys ? kShared : key;
  return buckets_.try_emplace(shown, Bucket{options_.burst, now}).first->second;
}

Duration RateLimit::Take(const std::string& key, MonotonicTime now) {
  Bucket& bucket = BucketOf(key, now);
  bucket = {TokensOf(bucket, now), now};
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return Duration::zero();
  }
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>((1 - bucket.tokens) / options_.per_second));
}

void RateLimit::GiveBack(const std::string& key) {
  const auto it = buckets_.find(key);
  if (it != buckets_.end()) it->second.tokens = std::min(options_.burst, it->second.tokens + 1);
}

std::string AddressKey(const std::string& address) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET6, address.c_str(), bytes) != 1) return address;
  return std::string(reinterpret_cast<const char*>(bytes), kPrefixBytes);
}

}  // namespace slicelet::provider
