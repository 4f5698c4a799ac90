#include "provider/fleet/target_condition.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace slicelet::provider {
namespace {

/// Kleene's logic: undefined stands between false and true.
enum class Truth { kFalse = 0, kUndefined = 1, kTrue = 2 };

Truth Not(Truth truth) { return static_cast<Truth>(2 - static_cast<int>(truth)); }
Truth Of(bool value) { return value ? Truth::kTrue : Truth::kFalse; }

enum class Compare { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

struct Operand {
  enum class Kind { kText, kNumber, kHost, kTag, kReported };
  Kind kind = Kind::kText;
  /// The literal, or the path.
  std::string text;
};

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

std::optional<std::string> ValueOf(const Operand& operand, const TargetFacts& facts) {
  const std::map<std::string, std::string>* map = nullptr;
  switch (operand.kind) {
    case Operand::Kind::kText:
    case Operand::Kind::kNumber:
      return operand.text;
    case Operand::Kind::kHost:
      return facts.host;
    case Operand::Kind::kTag:
      map = &facts.tags;
      break;
    case Operand::Kind::kReported:
      map = &facts.reported;
      break;
  }
  const auto it = map->find(operand.text);
  return it == map->end() ? std::nullopt : std::optional(it->second);
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
  const auto a = ValueOf(left, facts);
  const auto b = ValueOf(right, facts);
  if (!a || !b) return Truth::kUndefined;
  const bool numeric = left.kind == Operand::Kind::kNumber || right.kind == Operand::Kind::kNumber;
  const bool ordered = compare != Compare::kEqual && compare != Compare::kNotEqual;
  if (numeric || ordered) {
    const auto x = NumberOf(*a);
    const auto y = NumberOf(*b);
    if (x && y) return Of(Holds(compare, *x, *y));
    // A number is not equal to what is none, and there is no order between them.
    if (numeric) return ordered ? Truth::kUndefined : Of(compare == Compare::kNotEqual);
  }
  return Of(Holds(compare, *a, *b));
}

}  // namespace

struct TargetCondition::Node {
  enum class Kind { kAll, kCompare, kIn, kNot, kAnd, kOr };
  Kind kind = Kind::kAll;
  Compare compare = Compare::kEqual;
  Operand left, right;
  std::vector<Operand> list;
  std::vector<std::shared_ptr<const Node>> parts;

  [[nodiscard]] Truth Evaluate(const TargetFacts& facts) const {
    switch (kind) {
      case Kind::kAll:
        return Truth::kTrue;
      case Kind::kCompare:
        return provider::Evaluate(compare, left, right, facts);
      case Kind::kIn: {
        Truth found = ValueOf(left, facts) ? Truth::kFalse : Truth::kUndefined;
        for (const Operand& entry : list)
          found = std::max(found, provider::Evaluate(Compare::kEqual, left, entry, facts));
        return found;
      }
      case Kind::kNot:
        return Not(parts.front()->Evaluate(facts));
      case Kind::kAnd: {
        Truth all = Truth::kTrue;
        for (const auto& part : parts) all = std::min(all, part->Evaluate(facts));
        return all;
      }
      case Kind::kOr: {
        Truth any = Truth::kFalse;
        for (const auto& part : parts) any = std::max(any, part->Evaluate(facts));
        return any;
      }
    }
    return Truth::kFalse;
  }
};

namespace {

using Node = TargetCondition::Node;
using NodePtr = std::shared_ptr<const Node>;

struct Token {
  enum class Kind { kEnd, kWord, kText, kNumber, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;
  std::size_t column = 1;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c) || c == '-' || c == '/' || c == '.'; }

absl::Status ErrorAt(std::size_t column, const std::string& what) {
  return absl::InvalidArgumentError("column " + std::to_string(column) + ": " + what);
}

std::string Shown(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kEnd:
      return "the end";
    case Token::Kind::kText:
      return "the text '" + token.text + "'";
    default:
      return "\"" + token.text + "\"";
  }
}

bool IsKeyword(const Token& token, const char* upper) {
  if (token.kind != Token::Kind::kWord) return false;
  const std::string wanted = upper;
  if (token.text.size() != wanted.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const char c = token.text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) != wanted[i]) return false;
  }
  return true;
}

class Lexer {
 public:
  explicit Lexer(const std::string& text) : text_(text) {}

  absl::StatusOr<Token> Next() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
    Token token;
    token.column = at_ + 1;
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (c == '\'') return Text(token);
    if (IsDigit(c) || (c == '-' && IsDigit(Peek(1))) || (c == '.' && IsDigit(Peek(1)))) return Number(token);
    if (IsWordStart(c)) {
      token.kind = Token::Kind::kWord;
      while (at_ < text_.size() && IsWordPart(text_[at_])) token.text += text_[at_++];
      return token;
    }
    token.kind = Token::Kind::kSymbol;
    for (const char* symbol : {"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", "*"}) {
      const std::string wanted = symbol;
      if (text_.compare(at_, wanted.size(), wanted) != 0) continue;
      token.text = wanted;
      at_ += wanted.size();
      return token;
    }
    if (c == '"') return ErrorAt(token.column, "text stands in single quotes, as in tags.site = 'north'");
    const bool shown = static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7f;
    return ErrorAt(token.column, shown ? std::string("unexpected character ") + c
                                       : "unexpected byte " + std::to_string(static_cast<unsigned char>(c)));
  }

 private:
  [[nodiscard]] char Peek(std::size_t offset) const {
    return at_ + offset < text_.size() ? text_[at_ + offset] : '\0';
  }

  absl::StatusOr<Token> Text(Token token) {
    token.kind = Token::Kind::kText;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '\'') {
        token.text += text_[at_];
      } else if (Peek(1) == '\'') {
        token.text += '\'';
        ++at_;
      } else {
        ++at_;
        return token;
      }
    }
    return ErrorAt(token.column, "this text has no closing quote");
  }

  absl::StatusOr<Token> Number(Token token) {
    token.kind = Token::Kind::kNumber;
    while (at_ < text_.size() &&
           (IsWordPart(text_[at_]) || (text_[at_] == '+' && (text_[at_ - 1] | 0x20) == 'e'))) {
      token.text += text_[at_++];
    }
    if (!NumberOf(token.text))
      return ErrorAt(token.column, "\"" + token.text + "\" is no number; text stands in single quotes");
    return token;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(const std::string& text) : lexer_(text) {}

  absl::StatusOr<NodePtr> Parse() {
    SLICELET_RETURN_IF_ERROR(Advance());
    if (token_.kind == Token::Kind::kEnd) return NodePtr();
    if (IsSymbol("*")) {
      SLICELET_RETURN_IF_ERROR(Advance());
      if (token_.kind != Token::Kind::kEnd) return Unexpected("nothing after \"*\"");
      return NodePtr(std::make_shared<Node>());
    }
    SLICELET_ASSIGN_OR_RETURN(NodePtr root, ParseOr(1));
    if (token_.kind != Token::Kind::kEnd) return Unexpected("AND, OR or the end");
    return root;
  }
  [[nodiscard]] bool asks_the_host() const { return asks_the_host_; }

 private:
  absl::Status Advance() {
    SLICELET_ASSIGN_OR_RETURN(token_, lexer_.Next());
    return absl::OkStatus();
  }
  [[nodiscard]] bool IsSymbol(const char* symbol) const {
    return token_.kind == Token::Kind::kSymbol && token_.text == symbol;
  }
  [[nodiscard]] absl::Status Unexpected(const std::string& wanted) const {
    return ErrorAt(token_.column, Shown(token_) + " where " + wanted + " should be");
  }
  absl::Status CountTerm() {
    if (++terms_ <= TargetCondition::kMaxTerms) return absl::OkStatus();
    return ErrorAt(token_.column, "more than " + std::to_string(TargetCondition::kMaxTerms) +
                                      " comparisons and list entries");
  }
  [[nodiscard]] absl::Status CheckDepth(int depth) const {
    if (depth <= TargetCondition::kMaxDepth) return absl::OkStatus();
    return ErrorAt(token_.column, "nested deeper than " + std::to_string(TargetCondition::kMaxDepth));
  }

  absl::StatusOr<NodePtr> ParseOr(int depth) {
    return ParseChain(Node::Kind::kOr, "OR", [this, depth] { return ParseAnd(depth); });
  }
  absl::StatusOr<NodePtr> ParseAnd(int depth) {
    return ParseChain(Node::Kind::kAnd, "AND", [this, depth] { return ParseNot(depth); });
  }

  template <typename ParsePart>
  absl::StatusOr<NodePtr> ParseChain(Node::Kind kind, const char* keyword, ParsePart parse_part) {
    SLICELET_ASSIGN_OR_RETURN(NodePtr first, parse_part());
    if (!IsKeyword(token_, keyword)) return first;
    auto chain = std::make_shared<Node>();
    chain->kind = kind;
    chain->parts.push_back(std::move(first));
    while (IsKeyword(token_, keyword)) {
      SLICELET_RETURN_IF_ERROR(Advance());
      SLICELET_ASSIGN_OR_RETURN(NodePtr part, parse_part());
      chain->parts.push_back(std::move(part));
    }
    return NodePtr(std::move(chain));
  }

  absl::StatusOr<NodePtr> ParseNot(int depth) {
    SLICELET_RETURN_IF_ERROR(CheckDepth(depth));
    if (!IsKeyword(token_, "NOT")) return ParsePrimary(depth);
    SLICELET_RETURN_IF_ERROR(Advance());
    auto negation = std::make_shared<Node>();
    negation->kind = Node::Kind::kNot;
    SLICELET_ASSIGN_OR_RETURN(NodePtr part, ParseNot(depth + 1));
    negation->parts.push_back(std::move(part));
    return NodePtr(std::move(negation));
  }

  absl::StatusOr<NodePtr> ParsePrimary(int depth) {
    if (IsSymbol("(")) {
      SLICELET_RETURN_IF_ERROR(Advance());
      SLICELET_ASSIGN_OR_RETURN(NodePtr inner, ParseOr(depth + 1));
      if (!IsSymbol(")")) return Unexpected("AND, OR or a closing parenthesis");
      SLICELET_RETURN_IF_ERROR(Advance());
      return inner;
    }
    auto node = std::make_shared<Node>();
    SLICELET_RETURN_IF_ERROR(CountTerm());
    SLICELET_ASSIGN_OR_RETURN(node->left, ParseOperand());
    const bool negated = IsKeyword(token_, "NOT");
    if (negated) SLICELET_RETURN_IF_ERROR(Advance());
    if (IsKeyword(token_, "IN")) {
      SLICELET_RETURN_IF_ERROR(ParseList(*node));
      if (!negated) return NodePtr(std::move(node));
      auto negation = std::make_shared<Node>();
      negation->kind = Node::Kind::kNot;
      negation->parts.push_back(std::move(node));
      return NodePtr(std::move(negation));
    }
    if (negated) return Unexpected("IN");
    SLICELET_RETURN_IF_ERROR(ParseComparison(*node));
    return NodePtr(std::move(node));
  }

  absl::Status ParseComparison(Node& node) {
    static const std::map<std::string, Compare> kCompares = {
        {"=", Compare::kEqual},          {"!=", Compare::kNotEqual},    {"<>", Compare::kNotEqual},
        {"<", Compare::kLess},           {"<=", Compare::kLessOrEqual}, {">", Compare::kGreater},
        {">=", Compare::kGreaterOrEqual}};
    const auto compare = token_.kind == Token::Kind::kSymbol ? kCompares.find(token_.text) : kCompares.end();
    if (compare == kCompares.end()) return Unexpected("a comparison (= != < <= > >= or IN)");
    node.kind = Node::Kind::kCompare;
    node.compare = compare->second;
    SLICELET_RETURN_IF_ERROR(Advance());
    SLICELET_ASSIGN_OR_RETURN(node.right, ParseOperand());
    return absl::OkStatus();
  }

  absl::Status ParseList(Node& node) {
    node.kind = Node::Kind::kIn;
    SLICELET_RETURN_IF_ERROR(Advance());
    if (!IsSymbol("[")) return Unexpected("a list in brackets");
    do {
      SLICELET_RETURN_IF_ERROR(Advance());
      SLICELET_RETURN_IF_ERROR(CountTerm());
      if (token_.kind != Token::Kind::kText && token_.kind != Token::Kind::kNumber)
        return Unexpected("text in single quotes or a number");
      SLICELET_ASSIGN_OR_RETURN(Operand entry, ParseOperand());
      node.list.push_back(std::move(entry));
    } while (IsSymbol(","));
    if (!IsSymbol("]")) return Unexpected("a comma or a closing bracket");
    return Advance();
  }

  absl::StatusOr<Operand> ParseOperand() {
    Operand operand;
    operand.text = token_.text;
    switch (token_.kind) {
      case Token::Kind::kText:
        operand.kind = Operand::Kind::kText;
        break;
      case Token::Kind::kNumber:
        operand.kind = Operand::Kind::kNumber;
        break;
      case Token::Kind::kWord:
        SLICELET_RETURN_IF_ERROR(ReadName(operand));
        break;
      case Token::Kind::kSymbol:
      case Token::Kind::kEnd:
        return Unexpected("deviceId, hostId, tags.PATH, properties.reported.PATH or a literal");
    }
    SLICELET_RETURN_IF_ERROR(Advance());
    return operand;
  }

  absl::Status ReadName(Operand& operand) {
    static const std::string kTags = "tags.";
    static const std::string kReported = "properties.reported.";
    const std::string& name = token_.text;
    if (name == "deviceId" || name == "hostId") {
      operand.kind = Operand::Kind::kHost;
      return absl::OkStatus();
    }
    if (name.starts_with(kTags)) {
      operand.kind = Operand::Kind::kTag;
      operand.text = name.substr(kTags.size());
    } else if (name.starts_with(kReported)) {
      operand.kind = Operand::Kind::kReported;
      operand.text = name.substr(kReported.size());
      asks_the_host_ = true;
    } else {
      return ErrorAt(token_.column,
                     "unknown name \"" + name +
                         "\"; want deviceId, hostId, tags.PATH or properties.reported.PATH, and "
                         "text in single quotes");
    }
    if (operand.text.empty() || operand.text.front() == '.' || operand.text.back() == '.' ||
        operand.text.find("..") != std::string::npos) {
      return ErrorAt(token_.column, "\"" + name + "\" has an empty part between dots");
    }
    return absl::OkStatus();
  }

  bool asks_the_host_ = false;
  Lexer lexer_;
  Token token_;
  int terms_ = 0;
};

}  // namespace

absl::StatusOr<TargetCondition> TargetCondition::Parse(const std::string& text) {
  if (text.size() > kMaxBytes) {
    return ErrorAt(kMaxBytes + 1, "longer than " + std::to_string(kMaxBytes) + " bytes");
  }
  TargetCondition condition;
  condition.text_ = text;
  Parser parser(text);
  SLICELET_ASSIGN_OR_RETURN(condition.root_, parser.Parse());
  condition.asks_the_host_ = parser.asks_the_host();
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

}  // namespace slicelet::provider
