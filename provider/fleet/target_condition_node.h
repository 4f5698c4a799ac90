#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provider/fleet/target_condition.h"

namespace slicelet::provider {

/// Kleene's logic: undefined stands between false and true.
enum class Truth { kFalse = 0, kUndefined = 1, kTrue = 2 };

/// A parsed target condition, or a part of one. Between target_condition.cc, which evaluates it, and
/// target_condition_parser.cc, which makes it.
struct TargetCondition::Node {
  enum class Compare { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  struct Operand {
    enum class Kind { kText, kNumber, kHost, kTag, kReported };
    Kind kind = Kind::kText;
    /// The literal, or the path.
    std::string text;
    /// Of a literal that reads as one.
    std::optional<double> number;

    [[nodiscard]] bool literal() const { return kind == Kind::kText || kind == Kind::kNumber; }
  };
  enum class Kind { kAll, kCompare, kIn, kNot, kAnd, kOr };

  Kind kind = Kind::kAll;
  Compare compare = Compare::kEqual;
  Operand left, right;
  std::vector<Operand> list;
  std::vector<std::shared_ptr<const Node>> parts;
  /// Where it stands in the text.
  std::size_t begin = 0, end = 0;

  /// Every comparison with what a host reports is taken for `unheard`, in the sense of the whole, unless that
  /// is kUndefined.
  [[nodiscard]] Truth Evaluate(const TargetFacts& facts, Truth unheard = Truth::kUndefined) const;
};

/// What a text that is to be compared as a number says; "inf" and "nan" say nothing.
std::optional<double> NumberOf(const std::string& text);

struct ParsedCondition {
  /// Null: matches nothing.
  std::shared_ptr<const TargetCondition::Node> root;
  /// It names properties.reported.
  bool asks_the_host = false;
};
/// InvalidArgument: "column 12: ..." (bytes, from 1).
absl::StatusOr<ParsedCondition> ParseCondition(const std::string& text);

}  // namespace slicelet::provider
