// Random conditions and fleets, compared with what their rules say in the simplest words.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "provider/fleet/targeting.h"
#include "provider/fleet/testing/random_fleet.h"
#include "provider/fleet/testing/shown_targets.h"

namespace slicelet::provider {
namespace {

/// True, false, or undefined.
using Verdict = std::optional<bool>;

/// A condition as text, with its meaning made beside it.
struct Expression {
  std::string text;
  std::function<Verdict(const TargetFacts&)> meaning;
  /// 0: OR, 1: AND, 2: the rest. What binds less than its surroundings needs parentheses.
  int binds = 2;
};

std::optional<std::string> Read(const std::string& name, const TargetFacts& facts) {
  if (name == "hostId" || name == "deviceId") return facts.host;
  const bool tag = name.rfind("tags.", 0) == 0;
  const auto& map = tag ? facts.tags : facts.reported;
  const auto it = map.find(name.substr(name.rfind('.') + 1));
  return it == map.end() ? std::nullopt : std::optional(it->second);
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

/// Text is compared as such; as numbers where one side is written as one, or where order is asked for and
/// both read as numbers.
Verdict Compare(const std::optional<std::string>& left, const std::string& sign, const std::string& right,
                bool number) {
  if (!left) return std::nullopt;
  const bool ordered = sign.find_first_of("<>") != std::string::npos && sign != "<>";
  int order = left->compare(right);
  if (number || ordered) {
    if (IsNumber(*left) && IsNumber(right)) {
      order = std::stoi(*left) - std::stoi(right);
    } else if (number) {
      return ordered ? Verdict() : Verdict(sign != "=");
    }
  }
  if (sign == "=") return order == 0;
  if (sign == "!=" || sign == "<>") return order != 0;
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  if (sign == ">") return order > 0;
  return order >= 0;
}

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  Expression Make(int depth) {
    switch (depth == 0 ? 0 : random_.Below(6)) {
      case 2:
        return Not(Make(depth - 1));
      case 3:
      case 4:
        return Join(Make(depth - 1), Make(depth - 1), true);
      case 5:
        return Join(Make(depth - 1), Make(depth - 1), false);
      default:
        return random_.Below(4) == 0 ? In() : Comparison();
    }
  }
  TargetFacts Facts() {
    TargetFacts facts;
    facts.host = Pick({"gw-1", "gw-2", "10"});
    for (const char* name : {"a", "b"}) {
      if (random_.Below(3) != 0) facts.tags[name] = Pick({"1", "2", "10", "x", "it's", ""});
    }
    if (random_.Below(2) == 0) facts.reported["n"] = Pick({"2", "30", "arm64"});
    return facts;
  }

 private:
  std::string Pick(const std::vector<std::string>& from) { return from[random_.Below(from.size())]; }
  std::string Name() { return Pick({"hostId", "deviceId", "tags.a", "tags.b", "properties.reported.n"}); }
  /// Its text, its value, and whether it is written as a number.
  struct Literal {
    std::string text, value;
    bool number = false;
  };
  Literal MakeLiteral() {
    const std::string value = Pick({"1", "2", "10", "30", "x", "it's", "gw-1", ""});
    if (IsNumber(value) && random_.Below(2) == 0) return {value, value, true};
    std::string quoted = "'";
    for (const char c : value) quoted += c == '\'' ? "''" : std::string(1, c);
    return {quoted + "'", value, false};
  }

  Expression Comparison() {
    const std::string name = Name();
    const std::string sign = Pick({"=", "!=", "<>", "<", "<=", ">", ">="});
    const Literal literal = MakeLiteral();
    return {name + " " + sign + " " + literal.text, [=](const TargetFacts& facts) {
              return Compare(Read(name, facts), sign, literal.value, literal.number);
            }};
  }
  Expression In() {
    const std::string name = Name();
    const bool negated = random_.Below(2) == 0;
    std::vector<Literal> list;
    std::string text;
    for (std::uint64_t n = 1 + random_.Below(3); n > 0; --n) {
      list.push_back(MakeLiteral());
      text += (text.empty() ? "" : ", ") + list.back().text;
    }
    return {name + (negated ? " NOT IN [" : " IN [") + text + "]", [=](const TargetFacts& facts) -> Verdict {
              const auto value = Read(name, facts);
              if (!value) return std::nullopt;
              const bool found = std::any_of(list.begin(), list.end(), [&](const Literal& one) {
                return Compare(value, "=", one.value, one.number) == Verdict(true);
              });
              return found != negated;
            }};
  }
  Expression Not(Expression inner) {
    return {Pick({"NOT ", "not "}) + (inner.binds < 2 ? "(" + inner.text + ")" : inner.text),
            [meaning = inner.meaning](const TargetFacts& facts) -> Verdict {
              const Verdict verdict = meaning(facts);
              return verdict ? Verdict(!*verdict) : verdict;
            }};
  }
  Expression Join(const Expression& left, const Expression& right, bool all) {
    const int binds = all ? 1 : 0;
    const auto part = [&](const Expression& one) {
      return one.binds < binds || random_.Below(4) == 0 ? "(" + one.text + ")" : one.text;
    };
    return {part(left) + (all ? " AND " : " OR ") + part(right),
            [=](const TargetFacts& facts) -> Verdict {
              const Verdict a = left.meaning(facts), b = right.meaning(facts);
              // What decides alone decides, whatever the other one is.
              if (a == Verdict(!all) || b == Verdict(!all)) return !all;
              return a && b ? Verdict(all) : std::nullopt;
            },
            binds};
  }

  SeededRandom random_;
};

TEST(TargetConditionProperty, MeansWhatItsRulesSay) {
  constexpr int kConditions = 3'000;
  constexpr int kHosts = 12;
  int selected = 0;
  for (int seed = 0; seed < kConditions; ++seed) {
    Maker maker(static_cast<std::uint64_t>(seed));
    const Expression expression = maker.Make(4);
    const auto condition = TargetCondition::Parse(expression.text);
    ASSERT_TRUE(condition.ok()) << expression.text << ": " << condition.status();
    for (int host = 0; host < kHosts; ++host) {
      const TargetFacts facts = maker.Facts();
      const bool wanted = expression.meaning(facts).value_or(false);
      ASSERT_EQ(condition->Matches(facts), wanted) << "seed " << seed << ": " << expression.text;
      selected += wanted ? 1 : 0;
    }
  }
  EXPECT_GT(selected, kConditions) << "a test that selects nothing proves nothing";
}

TEST(TargetingProperty, NobodyGetsWhatHeMayNotHave) {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    const RandomFleet fleet(seed);
    const Targets targets = SelectTargets(fleet.pods, fleet.hosts);
    for (const TargetPod& pod : fleet.pods) {
      const auto& chosen = targets.at(pod.uid);
      if (pod.terms->placement != FleetTerms::Placement::kAll) {
        ASSERT_LE(chosen.size(), static_cast<std::size_t>(pod.terms->hosts)) << "seed " << seed;
      }
      for (const TargetHost& host : fleet.hosts) {
        if (chosen.count(host.id) != 0) {
          ASSERT_TRUE(pod.terms->condition.Matches(host.facts) && host.takes_new) << "seed " << seed;
        }
      }
    }
    for (const TargetHost& host : fleet.hosts) {
      int bases = 0;
      int users = static_cast<int>(host.taken.ports.size());
      for (const TargetPod& pod : fleet.pods) {
        const auto it = targets.at(pod.uid).find(host.id);
        if (it == targets.at(pod.uid).end() || !it->second.superseded.empty()) continue;
        bases += pod.terms->layered ? 0 : 1;
        users += static_cast<int>(pod.claim.ports.size());
      }
      ASSERT_LE(bases, 1) << "seed " << seed << " host " << host.id.value();
      ASSERT_LE(users, 1) << "seed " << seed << " host " << host.id.value();
    }
  }
}

TEST(TargetingProperty, TheSameFleetInAnotherOrderAndASecondLookGiveTheSame) {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    RandomFleet fleet(seed);
    std::sort(fleet.hosts.begin(), fleet.hosts.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    const Targets first = SelectTargets(fleet.pods, fleet.hosts);
    fleet.Shuffle();
    std::sort(fleet.hosts.begin(), fleet.hosts.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    ASSERT_EQ(Shown(SelectTargets(fleet.pods, fleet.hosts)), Shown(first)) << "seed " << seed;
    fleet.Keep(first);
    const Targets second = SelectTargets(fleet.pods, fleet.hosts);
    for (const auto& [uid, hosts] : first) {
      for (const auto& [host, verdict] : hosts) {
        ASSERT_TRUE(second.at(uid).count(host) != 0)
            << "seed " << seed << ": " << uid.value() << " leaves " << host.value();
      }
    }
  }
}

}  // namespace
}  // namespace slicelet::provider
