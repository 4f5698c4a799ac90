#include "provider/fleet/target_condition.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/shown_text.h"
#include "provider/fleet/target_condition_node.h"

namespace slicelet::provider {
namespace {

using Node = TargetCondition::Node;
using Compare = Node::Compare;
using Operand = Node::Operand;

constexpr std::size_t kMaxNames = 3;

Truth Not(Truth truth) { return static_cast<Truth>(2 - static_cast<int>(truth)); }
Truth Of(bool value) { return value ? Truth::kTrue : Truth::kFalse; }

/// Null where the host does not have it.
const std::string* ValueOf(const Operand& operand, const TargetFacts& facts) {
  const std::map<std::string, std::string>* map = nullptr;
  switch (operand.kind) {
    case Operand::Kind::kText:
    case Operand::Kind::kNumber:
      return &operand.text;
    case Operand::Kind::kHost:
      return &facts.host;
    case Operand::Kind::kTag:
      map = &facts.tags;
      break;
    case Operand::Kind::kReported:
      map = &facts.reported;
      break;
  }
  const auto it = map->find(operand.text);
  return it == map->end() ? nullptr : &it->second;
}

template <typename Value>
bool Holds(Compare compare, const Value& left, const Value& right) {
  switch (compare) {
    case Compare::kEqual:
      return left == right;
    case Compare::kNotEqual:
      return left != right;
    case Compare::kLess:
      return left < right;
    case Compare::kLessOrEqual:
      return left <= right;
    case Compare::kGreater:
      return left > right;
    case Compare::kGreaterOrEqual:
      return left >= right;
  }
  return false;
}

Truth Evaluate(Compare compare, const Operand& left, const Operand& right, const TargetFacts& facts) {
  const std::string* a = ValueOf(left, facts);
  const std::string* b = ValueOf(right, facts);
  if (a == nullptr || b == nullptr) return Truth::kUndefined;
  const bool numeric = left.kind == Operand::Kind::kNumber || right.kind == Operand::Kind::kNumber;
  const bool ordered = compare != Compare::kEqual && compare != Compare::kNotEqual;
  if (numeric || ordered) {
    const auto x = left.literal() ? left.number : NumberOf(*a);
    const auto y = right.literal() ? right.number : NumberOf(*b);
    if (x && y) return Of(Holds(compare, *x, *y));
    // A number is not equal to what is none, and there is no order between them.
    if (numeric) return ordered ? Truth::kUndefined : Of(compare == Compare::kNotEqual);
  }
  return Of(Holds(compare, *a, *b));
}

/// The names that it asks for, in order.
void AddNames(const Node& node, std::vector<const Operand*>& names) {
  const auto add = [&names](const Operand& operand) {
    const auto same = [&operand](const Operand* one) {
      return one->kind == operand.kind && one->text == operand.text;
    };
    if (!operand.literal() && std::none_of(names.begin(), names.end(), same)) names.push_back(&operand);
  };
  if (node.kind == Node::Kind::kCompare || node.kind == Node::Kind::kIn) add(node.left);
  if (node.kind == Node::Kind::kCompare) add(node.right);
  for (const auto& part : node.parts) AddNames(*part, names);
}

std::string NameOf(const Operand& operand) {
  if (operand.kind == Operand::Kind::kHost) return operand.text;
  return (operand.kind == Operand::Kind::kTag ? "tags." : "properties.reported.") + operand.text;
}

std::optional<TargetCondition::Demand> DemandOf(const Node& node) {
  using Demand = TargetCondition::Demand;
  const auto from = [](const Operand& name) {
    const Demand::Of of = name.kind == Operand::Kind::kHost  ? Demand::Of::kHost
                          : name.kind == Operand::Kind::kTag ? Demand::Of::kTag
                                                             : Demand::Of::kReported;
    return Demand{of, of == Demand::Of::kHost ? "" : name.text, {}};
  };
  const auto text = [](const Operand& operand) { return operand.kind == Operand::Kind::kText; };
  switch (node.kind) {
    case Node::Kind::kCompare: {
      if (node.compare != Compare::kEqual) return std::nullopt;
      const bool turned = text(node.left);
      const Operand& name = turned ? node.right : node.left;
      const Operand& value = turned ? node.left : node.right;
      if (name.literal() || !text(value)) return std::nullopt;
      Demand demand = from(name);
      demand.values = {value.text};
      return demand;
    }
    case Node::Kind::kIn: {
      if (node.left.literal() || !std::all_of(node.list.begin(), node.list.end(), text)) return std::nullopt;
      Demand demand = from(node.left);
      for (const Operand& entry : node.list) demand.values.insert(entry.text);
      return demand;
    }
    case Node::Kind::kAnd: {
      std::optional<Demand> least;
      for (const auto& part : node.parts) {
        auto demand = DemandOf(*part);
        if (demand && (!least || demand->values.size() < least->values.size())) least = std::move(demand);
      }
      return least;
    }
    case Node::Kind::kAll:
    case Node::Kind::kNot:
    case Node::Kind::kOr:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> NumberOf(const std::string& text) {
  double value = 0;
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto [rest, error] = std::from_chars(begin, end, value, std::chars_format::general);
  // "inf" and "nan" read as numbers to from_chars, to nobody else.
  const char first = text.empty() ? '\0' : text[text[0] == '-' ? 1 : 0];
  if (error != std::errc() || rest != end || ((first < '0' || first > '9') && first != '.'))
    return std::nullopt;
  return value;
}

Truth TargetCondition::Node::Evaluate(const TargetFacts& facts, Truth unheard) const {
  const bool compares = kind == Kind::kCompare || kind == Kind::kIn;
  if (compares && unheard != Truth::kUndefined &&
      (left.kind == Operand::Kind::kReported || right.kind == Operand::Kind::kReported))
    return unheard;
  switch (kind) {
    case Kind::kAll:
      return Truth::kTrue;
    case Kind::kCompare:
      return provider::Evaluate(compare, left, right, facts);
    case Kind::kIn: {
      Truth found = ValueOf(left, facts) != nullptr ? Truth::kFalse : Truth::kUndefined;
      for (const Operand& entry : list)
        found = std::max(found, provider::Evaluate(Compare::kEqual, left, entry, facts));
      return found;
    }
    case Kind::kNot:
      return Not(parts.front()->Evaluate(facts, Not(unheard)));
    case Kind::kAnd: {
      Truth all = Truth::kTrue;
      for (auto part = parts.begin(); part != parts.end() && all != Truth::kFalse; ++part)
        all = std::min(all, (*part)->Evaluate(facts, unheard));
      return all;
    }
    case Kind::kOr: {
      Truth any = Truth::kFalse;
      for (auto part = parts.begin(); part != parts.end() && any != Truth::kTrue; ++part)
        any = std::max(any, (*part)->Evaluate(facts, unheard));
      return any;
    }
  }
  return Truth::kFalse;
}

absl::StatusOr<TargetCondition> TargetCondition::Parse(const std::string& text) {
  SLICELET_ASSIGN_OR_RETURN(ParsedCondition parsed, ParseCondition(text));
  TargetCondition condition;
  condition.text_ = text;
  condition.asks_the_host_ = parsed.asks_the_host;
  if (parsed.root) condition.demand_ = DemandOf(*parsed.root);
  condition.root_ = std::move(parsed.root);
  return condition;
}

TargetCondition TargetCondition::Everything() {
  TargetCondition condition;
  condition.text_ = "*";
  condition.root_ = std::make_shared<Node>();
  return condition;
}

bool TargetCondition::Matches(const TargetFacts& facts) const {
  return root_ != nullptr && root_->Evaluate(facts) == Truth::kTrue;
}

bool TargetCondition::MayMatch(const TargetFacts& facts) const {
  return root_ != nullptr && root_->Evaluate(facts, Truth::kTrue) == Truth::kTrue;
}

std::string TargetCondition::WhyNot(const TargetFacts& facts) const {
  if (root_ == nullptr) return "an empty condition selects no host";
  const Node* node = root_.get();
  while (node->kind == Node::Kind::kAnd) {
    const auto failed = std::find_if(node->parts.begin(), node->parts.end(), [&facts](const auto& part) {
      return part->Evaluate(facts) != Truth::kTrue;
    });
    if (failed == node->parts.end()) break;
    node = failed->get();
  }
  if (node->Evaluate(facts) == Truth::kTrue) return "";
  std::string term = ShownText(text_.substr(node->begin, node->end - node->begin));
  std::vector<const Operand*> names;
  AddNames(*node, names);
  for (std::size_t i = 0; i < std::min(names.size(), kMaxNames); ++i) {
    const std::string* value = ValueOf(*names[i], facts);
    term += (i == 0 ? ", but " : ", ") + NameOf(*names[i]) +
            (value == nullptr ? " is not set" : " is \"" + ShownText(*value) + "\"");
  }
  return term;
}

}  // namespace slicelet::provider
