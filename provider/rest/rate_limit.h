#pragma once

#include <map>
#include <string>

#include "common/base/time.h"

namespace slicelet::provider {

/// A token bucket per key: `burst` at once, then `per_second`.
class RateLimit {
 public:
  /// Keys that are remembered. Beyond it, those nobody needs any more are forgotten, and then all new keys
  /// share one bucket: whoever comes under many names gains nothing.
  static constexpr std::size_t kMaxKeys = 10'000;

  struct Options {
    double per_second = 1;
    double burst = 10;
  };

  explicit RateLimit(Options options) : options_(options) {}

  /// Takes one. Zero: it was granted; else how long until the next one is.
  Duration Take(const std::string& key, MonotonicTime now);
  /// What was taken does not count after all.
  void GiveBack(const std::string& key);

 private:
  struct Bucket {
    double tokens = 0;
    MonotonicTime filled{};
  };

  [[nodiscard]] double TokensOf(const Bucket& bucket, MonotonicTime now) const;
  Bucket& BucketOf(const std::string& key, MonotonicTime now);

  const Options options_;
  std::map<std::string, Bucket> buckets_;
};

/// The key of a client's address: an IPv6 client has all of its /64.
std::string AddressKey(const std::string& address);

}  // namespace slicelet::provider
