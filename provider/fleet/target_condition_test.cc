#include "provider/fleet/target_condition.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <ostream>
#include <vector>

#include "common/base/random.h"

namespace slicelet::provider {
namespace {

TargetFacts NorthernHost() {
  return {.host = "gw-1",
          .tags = {{"site", "north"},
                   {"floor", "10"},
                   {"location.building", "b43"},
                   {"owner", "O'Neill"},
                   {"empty", ""},
                   {"slicelet.io/zone", "z-1"}},
          .reported = {{"architecture", "arm64"}, {"cpu", "4"}, {"status.code", "200"}}};
}

struct Case {
  std::string condition;
  bool matches;
  friend std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.condition; }
};

class Matching : public testing::TestWithParam<Case> {};

TEST_P(Matching, SelectsTheHostOrNot) {
  const auto condition = TargetCondition::Parse(GetParam().condition);
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_EQ(condition->Matches(NorthernHost()), GetParam().matches);
  EXPECT_EQ(condition->text(), GetParam().condition);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Matching,
    testing::Values(
        // Nothing and everything.
        Case{"", false}, Case{"  \t\n", false}, Case{"*", true}, Case{" * ", true},
        // Names.
        Case{"deviceId = 'gw-1'", true}, Case{"hostId='gw-1'", true}, Case{"deviceId = 'gw-2'", false},
        Case{"tags.site = 'north'", true}, Case{"tags.site='south'", false},
        Case{"tags.location.building = 'b43'", true}, Case{"tags.slicelet.io/zone = 'z-1'", true},
        Case{"properties.reported.architecture = 'arm64'", true},
        Case{"properties.reported.status.code = 200", true}, Case{"'north' = tags.site", true},
        Case{"tags.Site = 'north'", false},
        // Comparisons.
        Case{"tags.site != 'south'", true}, Case{"tags.site <> 'north'", false},
        Case{"tags.site < 'south'", true}, Case{"tags.site <= 'north'", true}, Case{"tags.site > 'n'", true},
        Case{"tags.site >= 'o'", false}, Case{"tags.owner = 'O''Neill'", true}, Case{"tags.empty = ''", true},
        Case{"tags.site = 'North'", false},
        // Numbers: without quotes always, with quotes only for an order.
        Case{"tags.floor = 10", true}, Case{"tags.floor = 10.0", true}, Case{"tags.floor = '10.0'", false},
        Case{"tags.floor > 9", true}, Case{"tags.floor > '9'", true}, Case{"tags.floor < 1e2", true},
        Case{"tags.floor > -1", true}, Case{"tags.floor != 11", true}, Case{"tags.site = 10", false},
        Case{"tags.site != 10", true}, Case{"tags.site > 10", false}, Case{"NOT tags.site > 10", false},
        Case{"1 < 2", true}, Case{"tags.floor > .5", true}, Case{"properties.reported.cpu >= 4", true},
        // Lists.
        Case{"tags.site IN ['south', 'north']", true}, Case{"tags.site in ['south']", false},
        Case{"tags.site NOT IN ['south']", true}, Case{"tags.site not in ['north']", false},
        Case{"tags.floor IN [9, 10]", true}, Case{"tags.floor IN ['10.0']", false},
        Case{"tags.none NOT IN ['a']", false},
        // Logic, and what binds tighter.
        Case{"tags.site = 'north' AND tags.floor = 10", true},
        Case{"tags.site = 'north' and tags.floor = 11", false},
        Case{"tags.site = 'south' OR tags.floor = 10", true}, Case{"NOT tags.site = 'south'", true},
        Case{"not not tags.site = 'north'", true},
        Case{"tags.site = 'north' OR tags.site = 'a' AND tags.floor = 11", true},
        Case{"(tags.site = 'north' OR tags.site = 'a') AND tags.floor = 11", false},
        Case{"NOT tags.site = 'south' AND tags.floor = 11", false},
        Case{"NOT (tags.site = 'south' AND tags.floor = 11)", true}, Case{"((((tags.site='north'))))", true},
        // What the host does not have is undefined, whatever is done with it.
        Case{"tags.none = 'x'", false}, Case{"tags.none != 'x'", false}, Case{"NOT tags.none = 'x'", false},
        Case{"NOT (tags.none = 'x' AND tags.site = 'south')", true},
        Case{"NOT (tags.none = 'x' AND tags.site = 'north')", false},
        Case{"tags.none = 'x' OR tags.site = 'north'", true}, Case{"tags.none = tags.none", false},
        Case{"tags.site = tags.site", true},
        // Names that only look like keywords or the other way round.
        Case{"tags.site = 'AND'", false}, Case{"tags.or = 'x' OR tags.site = 'north'", true}));

struct BadCase {
  std::string condition;
  std::string error;
  friend std::ostream& operator<<(std::ostream& out, const BadCase& one) { return out << one.condition; }
};

class Rejection : public testing::TestWithParam<BadCase> {};

TEST_P(Rejection, NamesTheColumn) {
  const auto condition = TargetCondition::Parse(GetParam().condition);
  ASSERT_EQ(condition.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(condition.status()).substr(0, GetParam().error.size()), GetParam().error)
      << Message(condition.status());
}

INSTANTIATE_TEST_SUITE_P(
    Table, Rejection,
    testing::Values(BadCase{"tags.site", "column 10: the end where a comparison"},
                    BadCase{"tags.site = ", "column 13: the end where deviceId"},
                    BadCase{"tags.site == 'x'", "column 12: \"=\" where deviceId"},
                    BadCase{"site = 'x'", "column 1: unknown name \"site\""},
                    BadCase{"tags.site = north", "column 13: unknown name \"north\""},
                    BadCase{"tags.site = \"north\"", "column 13: text stands in single quotes"},
                    BadCase{"tags.site = 'north", "column 13: this text has no closing quote"},
                    BadCase{"tags.site = 'it's'", "column 17: \"s\" where AND, OR or the end"},
                    BadCase{"tags. = 'x'", "column 1: \"tags.\" has an empty part"},
                    BadCase{"tags.a..b = 'x'", "column 1: \"tags.a..b\" has an empty part"},
                    BadCase{"tags = 'x'", "column 1: unknown name \"tags\""},
                    BadCase{"properties.desired.a = 'x'", "column 1: unknown name"},
                    BadCase{"(tags.a = 'x'", "column 14: the end where AND, OR or a closing parenthesis"},
                    BadCase{"tags.a = 'x')", "column 13: \")\" where AND, OR or the end"},
                    BadCase{"()", "column 2: \")\""},
                    BadCase{"AND tags.a = 'x'", "column 1: unknown name \"AND\""},
                    BadCase{"tags.a = 'x' AND", "column 17: the end"},
                    BadCase{"tags.a = 'x' tags.b = 'y'", "column 14: \"tags.b\" where AND, OR or the end"},
                    BadCase{"tags.a IN 'x'", "column 11: the text 'x' where a list in brackets"},
                    BadCase{"tags.a IN []", "column 12: \"]\" where text in single quotes"},
                    BadCase{"tags.a IN ['x'", "column 15: the end where a comma"},
                    BadCase{"tags.a IN [tags.b]", "column 12: \"tags.b\" where text"},
                    BadCase{"tags.a NOT = 'x'", "column 12: \"=\" where IN"},
                    BadCase{"NOT", "column 4: the end"},
                    BadCase{"* AND tags.a = 'x'", "column 3: \"AND\" where nothing after"},
                    BadCase{"tags.a = 1x", "column 10: \"1x\" is no number"},
                    BadCase{"tags.a = 1.2.3", "column 10: \"1.2.3\" is no number"},
                    BadCase{"tags.a & 'x'", "column 8: unexpected character &"},
                    BadCase{"tags.a = \x01", "column 10: unexpected byte 1"},
                    BadCase{std::string("tags.a = \0 'x'", 14), "column 10: unexpected byte 0"},
                    BadCase{"tags.\xc3\xa4 = 'x'", "column 1: \"tags.\" has an empty part"}));

TEST(TargetCondition, IsBounded) {
  const std::string deepest = std::string(TargetCondition::kMaxDepth - 1, '(') + "1=1" +
                              std::string(TargetCondition::kMaxDepth - 1, ')');
  EXPECT_TRUE(TargetCondition::Parse(deepest).ok());
  EXPECT_EQ(Message(TargetCondition::Parse("(" + deepest + ")").status()),
            "column 33: nested deeper than 32");
  std::string nots;
  for (int i = 0; i <= TargetCondition::kMaxDepth; ++i) nots += "NOT ";
  EXPECT_FALSE(TargetCondition::Parse(nots + "1=1").ok());

  EXPECT_EQ(Message(TargetCondition::Parse(std::string(TargetCondition::kMaxBytes + 1, ' ')).status()),
            "column 4097: longer than 4096 bytes");
  std::string many = "1=1";
  for (int i = 1; i < TargetCondition::kMaxTerms; ++i) many += " OR 1=1";
  EXPECT_TRUE(TargetCondition::Parse(many).ok());
  EXPECT_FALSE(TargetCondition::Parse(many + " OR 1=1").ok());
}

TEST(TargetCondition, ADefaultOneMatchesNothingAndEverythingIsAStar) {
  EXPECT_FALSE(TargetCondition().Matches(NorthernHost()));
  EXPECT_TRUE(TargetCondition::Everything().Matches({}));
  EXPECT_EQ(TargetCondition::Everything().text(), "*");
}

// A second opinion: random expressions are built together with a function that evaluates them directly, and
// written down with random spaces, parentheses and cases.
class RandomExpression {
 public:
  using Value = int;  // -1 undefined, 0 false, 1 true
  struct Made {
    std::string text;
    std::function<Value(const TargetFacts&)> value;
    /// Binding strength: 0 OR, 1 AND, 2 NOT, 3 the rest.
    int strength = 3;
  };

  explicit RandomExpression(std::uint64_t seed) : random_(seed) {}

  Made Make(int depth) {
    switch (depth == 0 ? 0 : Below(5)) {
      case 1:
        return Chain(depth, "OR", 0, 1);
      case 2:
        return Chain(depth, "AND", 1, 0);
      case 3: {
        const Made inner = Make(depth - 1);
        return {Word("NOT") + Space() + Wrapped(inner, 2),
                [value = inner.value](const TargetFacts& facts) {
                  const Value v = value(facts);
                  return v < 0 ? v : 1 - v;
                },
                2};
      }
      default:
        return Comparison();
    }
  }
  TargetFacts Host() {
    TargetFacts facts;
    for (const char* tag : {"a", "b"}) {
      if (Below(3) != 0) facts.tags[tag] = Text();
    }
    return facts;
  }

 private:
  std::uint64_t Below(std::uint64_t bound) { return random_.Next() % bound; }
  std::string Text() { return std::array{"x", "y", "it's"}[Below(3)]; }
  std::string Space() { return std::array{" ", "  ", "\t"}[Below(3)]; }
  std::string Word(std::string word) {
    for (char& c : word) {
      if (Below(2) == 0) c = static_cast<char>(c | 0x20);
    }
    return word;
  }
  std::string Wrapped(const Made& made, int at_least) {
    return made.strength < at_least || Below(4) == 0 ? "(" + made.text + ")" : made.text;
  }
  Made Chain(int depth, const std::string& word, int strength, Value decides) {
    const Made left = Make(depth - 1);
    const Made right = Make(depth - 1);
    return {Wrapped(left, strength) + Space() + Word(word) + Space() + Wrapped(right, strength + 1),
            [l = left.value, r = right.value, decides](const TargetFacts& facts) -> Value {
              const Value a = l(facts);
              const Value b = r(facts);
              if (a == decides || b == decides) return decides;
              return a < 0 || b < 0 ? -1 : 1 - decides;
            },
            strength};
  }
  Made Comparison() {
    const std::string tag = Below(2) == 0 ? "a" : "b";
    const std::string text = Text();
    std::string quoted;
    for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
    const bool equal = Below(2) == 0;
    return {"tags." + tag + (equal ? "=" : " != ") + "'" + quoted + "'",
            [tag, text, equal](const TargetFacts& facts) -> Value {
              const auto it = facts.tags.find(tag);
              if (it == facts.tags.end()) return -1;
              return (it->second == text) == equal ? 1 : 0;
            }};
  }

  SeededRandom random_;
};

TEST(TargetCondition, AgreesWithANaiveEvaluator) {
  RandomExpression random(7);
  int selected = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto made = random.Make(4);
    const auto condition = TargetCondition::Parse(made.text);
    ASSERT_TRUE(condition.ok()) << made.text << ": " << condition.status();
    for (int host = 0; host < 4; ++host) {
      const TargetFacts facts = random.Host();
      ASSERT_EQ(condition->Matches(facts), made.value(facts) == 1) << made.text;
      selected += condition->Matches(facts) ? 1 : 0;
    }
  }
  EXPECT_GT(selected, 1'000);
  EXPECT_LT(selected, 11'000);
}

class Unheard : public testing::TestWithParam<Case> {};

// Whatever it reports; what it was given as tags is known.
TEST_P(Unheard, MayBeSelectedOrNot) {
  TargetFacts facts = NorthernHost();
  facts.reported.clear();
  const auto condition = TargetCondition::Parse(GetParam().condition);
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_EQ(condition->MayMatch(facts), GetParam().matches);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Unheard,
    testing::Values(Case{"properties.reported.cpu = '4'", true},
                    Case{"NOT properties.reported.cpu = '4'", true},
                    Case{"properties.reported.cpu IN ['4', '8']", true},
                    Case{"properties.reported.cpu >= 4 AND tags.site = 'north'", true},
                    Case{"properties.reported.cpu >= 4 AND tags.site = 'south'", false},
                    Case{"properties.reported.cpu >= 4 AND tags.absent = 'x'", false},
                    Case{"properties.reported.cpu >= 4 AND NOT tags.absent = 'x'", false},
                    Case{"properties.reported.cpu >= 4 OR tags.site = 'south'", true},
                    Case{"NOT (properties.reported.cpu >= 4 OR tags.site = 'north')", false},
                    Case{"NOT (properties.reported.cpu >= 4 AND tags.site = 'north')", true},
                    Case{"tags.site = 'north'", true}, Case{"tags.site = 'south'", false}, Case{"*", true},
                    Case{"", false}));

struct WhyCase {
  std::string condition, why;
  friend std::ostream& operator<<(std::ostream& out, const WhyCase& one) { return out << one.condition; }
};

class WhyNot : public testing::TestWithParam<WhyCase> {};

TEST_P(WhyNot, NamesTheFailingTermAndItsValues) {
  const auto condition = TargetCondition::Parse(GetParam().condition);
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_EQ(condition->WhyNot(NorthernHost()), GetParam().why);
  EXPECT_EQ(condition->Matches(NorthernHost()), GetParam().why.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, WhyNot,
    testing::Values(
        WhyCase{"*", ""}, WhyCase{"tags.site = 'north'", ""},
        WhyCase{"", "an empty condition selects no host"},
        WhyCase{"tags.site = 'south'", R"(tags.site = 'south', but tags.site is "north")"},
        WhyCase{"tags.site = 'north' AND  tags.floor <= 2  AND tags.x = 'y'",
                R"(tags.floor <= 2, but tags.floor is "10")"},
        WhyCase{"tags.site = 'north' AND (hostId = 'gw-1' AND NOT tags.ring = 1)",
                "NOT tags.ring = 1, but tags.ring is not set"},
        WhyCase{
            "(tags.site = 'south' OR hostId IN ['gw-2', 'gw-3'])",
            R"(tags.site = 'south' OR hostId IN ['gw-2', 'gw-3'], but tags.site is "north", hostId is "gw-1")"},
        WhyCase{"tags.floor NOT IN ['10']", R"(tags.floor NOT IN ['10'], but tags.floor is "10")"},
        WhyCase{"properties.reported.cpu > 4",
                R"(properties.reported.cpu > 4, but properties.reported.cpu is "4")"},
        WhyCase{"1 = 2", "1 = 2"}));

TEST(TargetConditionDemand, IsWhatEverySelectedHostMustHave) {
  const auto demand = [](const std::string& text) -> std::string {
    const auto found = TargetCondition::Parse(text)->demand();
    if (!found) return "-";
    std::string shown = std::to_string(static_cast<int>(found->of)) + found->path;
    for (const std::string& value : found->values) shown += " " + value;
    return shown;
  };
  EXPECT_EQ(demand("hostId = 'gw-1'"), "0 gw-1");
  EXPECT_EQ(demand("'north' = tags.site"), "1site north");
  EXPECT_EQ(demand("tags.site IN ['a', 'b'] AND tags.ring <= 2"), "1site a b");
  EXPECT_EQ(demand("tags.site IN ['a', 'b'] AND properties.reported.x = 'y'"), "2x y");
  EXPECT_EQ(demand("tags.ring = 1"), "-") << "01 is 1 too";
  EXPECT_EQ(demand("tags.ring IN ['1', 2]"), "-");
  EXPECT_EQ(demand("tags.a = 'x' OR tags.b = 'y'"), "-");
  EXPECT_EQ(demand("NOT tags.a = 'x'"), "-");
  EXPECT_EQ(demand("*"), "-");
}

}  // namespace
}  // namespace slicelet::provider
