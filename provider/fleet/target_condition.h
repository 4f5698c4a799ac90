#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/status.h"

namespace slicelet::provider {

/// What a target condition may ask about a host.
struct TargetFacts {
  /// deviceId and hostId.
  std::string host;
  /// tags.PATH: what the operator wrote into the EdgeHost.
  std::map<std::string, std::string> tags;
  /// properties.reported.PATH: what the host says of itself.
  std::map<std::string, std::string> reported;

  friend bool operator==(const TargetFacts&, const TargetFacts&) = default;
};

/// A boolean expression over a host's id, tags and reported properties.
///
///   condition  = [ "*" | or ]                    nothing: matches no host; "*": every host
///   or         = and { OR and }
///   and        = not { AND not }
///   not        = { NOT } primary
///   primary    = "(" or ")" | operand compare operand | operand [ NOT ] IN "[" literal { "," literal } "]"
///   compare    = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
///   operand    = deviceId | hostId | tags.PATH | properties.reported.PATH | literal
///   literal    = 'text', with '' for a quote | number
///   PATH       = letters, digits, _ - / and dots between its parts
///
/// Keywords may be in any case; names count as written. Text is compared byte by byte; a side that is a
/// number without quotes makes it a comparison of numbers, and so do < <= > >= where both sides read as
/// numbers. What a host does not have is undefined, and so is every comparison with it: as in Azure IoT Hub,
/// NOT of it is undefined too, and a host is selected only where the whole is true.
///
/// Immutable and cheap to copy.
class TargetCondition {
 public:
  static constexpr std::size_t kMaxBytes = 4'096;
  static constexpr int kMaxDepth = 32;
  /// Comparisons and list entries together.
  static constexpr int kMaxTerms = 512;

  /// Matches nothing.
  TargetCondition() = default;
  /// InvalidArgument: "column 12: ..." (bytes, from 1).
  static absl::StatusOr<TargetCondition> Parse(const std::string& text);
  /// "*"
  static TargetCondition Everything();

  [[nodiscard]] bool Matches(const TargetFacts& facts) const;
  /// For a host that was not heard: whether it matches for something that the host may report.
  [[nodiscard]] bool MayMatch(const TargetFacts& facts) const;
  /// Which part of it a host fails, and with which values: "tags.ring <= 2, but tags.ring is \"3\"". Empty
  /// where it matches.
  [[nodiscard]] std::string WhyNot(const TargetFacts& facts) const;

  /// What every host that it selects must have: one of these values there.
  struct Demand {
    enum class Of { kHost, kTag, kReported };
    Of of = Of::kTag;
    /// Empty for kHost.
    std::string path;
    std::set<std::string> values;
  };
  /// For an index of hosts; nullopt when it demands no single thing.
  [[nodiscard]] const std::optional<Demand>& demand() const { return demand_; }
  /// It asks for properties.reported: undecided while the host has not been heard.
  [[nodiscard]] bool AsksTheHost() const { return asks_the_host_; }
  /// As written.
  [[nodiscard]] const std::string& text() const { return text_; }

  struct Node;

 private:
  std::string text_;
  std::shared_ptr<const Node> root_;
  std::optional<Demand> demand_;
  bool asks_the_host_ = false;
};

}  // namespace slicelet::provider
