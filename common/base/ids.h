#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

namespace slicelet {

/// A string that is one kind of name and no other, so that a host id can not be passed where a pod uid is
/// meant.
template <typename Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}

  [[nodiscard]] const std::string& value() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  friend auto operator<=>(const StrongString&, const StrongString&) = default;
  friend bool operator==(const StrongString&, const StrongString&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongString& id) { return out << id.value_; }

 private:
  std::string value_;
};

/// Names an edge machine: a DNS label, and the CN of its certificate.
using HostId = StrongString<struct HostIdTag>;
/// metadata.uid of a pod. Everything about a workload is keyed by it, never by name.
using PodUid = StrongString<struct PodUidTag>;
/// metadata.name of a slice node.
using NodeName = StrongString<struct NodeNameTag>;
/// SHA-256 of a blob's bytes: 32 raw bytes.
using Digest = StrongString<struct DigestTag>;
/// Names what a workload refers to, independent of its content: "configmap/NAME" or "secret/NAME".
using ContentId = StrongString<struct ContentIdTag>;

/// Version of one host's manifest, compared epoch first. Only grows.
struct Generation {
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;

  friend auto operator<=>(const Generation&, const Generation&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Generation& g) {
    return out << g.epoch << "." << g.number;
  }
};

}  // namespace slicelet

template <typename Tag>
struct std::hash<slicelet::StrongString<Tag>> {
  std::size_t operator()(const slicelet::StrongString<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.value());
  }
};
