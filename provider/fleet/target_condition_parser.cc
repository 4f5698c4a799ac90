#include <map>
#include <utility>

#include "provider/fleet/target_condition_node.h"

namespace slicelet::provider {
namespace {

using Node = TargetCondition::Node;
using NodePtr = std::shared_ptr<const Node>;
using Compare = Node::Compare;
using Operand = Node::Operand;

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
  /// Behind the last token.
  [[nodiscard]] std::size_t at() const { return at_; }

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
    last_end_ = lexer_.at();
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

  NodePtr Ended(std::shared_ptr<Node> node, std::size_t begin) const {
    node->begin = begin;
    node->end = last_end_;
    return node;
  }

  absl::StatusOr<NodePtr> ParseOr(int depth) {
    return ParseChain(Node::Kind::kOr, "OR", [this, depth] { return ParseAnd(depth); });
  }
  absl::StatusOr<NodePtr> ParseAnd(int depth) {
    return ParseChain(Node::Kind::kAnd, "AND", [this, depth] { return ParseNot(depth); });
  }

  template <typename ParsePart>
  absl::StatusOr<NodePtr> ParseChain(Node::Kind kind, const char* keyword, ParsePart parse_part) {
    const std::size_t begin = token_.column - 1;
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
    return Ended(std::move(chain), begin);
  }

  absl::StatusOr<NodePtr> ParseNot(int depth) {
    SLICELET_RETURN_IF_ERROR(CheckDepth(depth));
    if (!IsKeyword(token_, "NOT")) return ParsePrimary(depth);
    const std::size_t begin = token_.column - 1;
    SLICELET_RETURN_IF_ERROR(Advance());
    auto negation = std::make_shared<Node>();
    negation->kind = Node::Kind::kNot;
    SLICELET_ASSIGN_OR_RETURN(NodePtr part, ParseNot(depth + 1));
    negation->parts.push_back(std::move(part));
    return Ended(std::move(negation), begin);
  }

  absl::StatusOr<NodePtr> ParsePrimary(int depth) {
    if (IsSymbol("(")) {
      SLICELET_RETURN_IF_ERROR(Advance());
      SLICELET_ASSIGN_OR_RETURN(NodePtr inner, ParseOr(depth + 1));
      if (!IsSymbol(")")) return Unexpected("AND, OR or a closing parenthesis");
      SLICELET_RETURN_IF_ERROR(Advance());
      return inner;
    }
    const std::size_t begin = token_.column - 1;
    auto node = std::make_shared<Node>();
    SLICELET_RETURN_IF_ERROR(CountTerm());
    SLICELET_ASSIGN_OR_RETURN(node->left, ParseOperand());
    const bool negated = IsKeyword(token_, "NOT");
    if (negated) SLICELET_RETURN_IF_ERROR(Advance());
    if (IsKeyword(token_, "IN")) {
      SLICELET_RETURN_IF_ERROR(ParseList(*node));
      if (!negated) return Ended(std::move(node), begin);
      auto negation = std::make_shared<Node>();
      negation->kind = Node::Kind::kNot;
      negation->parts.push_back(std::move(node));
      return Ended(std::move(negation), begin);
    }
    if (negated) return Unexpected("IN");
    SLICELET_RETURN_IF_ERROR(ParseComparison(*node));
    return Ended(std::move(node), begin);
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
    if (operand.literal()) operand.number = NumberOf(operand.text);
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
  std::size_t last_end_ = 0;
  int terms_ = 0;
};

}  // namespace

absl::StatusOr<ParsedCondition> ParseCondition(const std::string& text) {
  if (text.size() > TargetCondition::kMaxBytes) {
    return ErrorAt(TargetCondition::kMaxBytes + 1,
                   "longer than " + std::to_string(TargetCondition::kMaxBytes) + " bytes");
  }
  Parser parser(text);
  ParsedCondition parsed;
  SLICELET_ASSIGN_OR_RETURN(parsed.root, parser.Parse());
  parsed.asks_the_host = parser.asks_the_host();
  return parsed;
}

}  // namespace slicelet::provider
