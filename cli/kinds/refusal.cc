#include "cli/kinds/refusal.h"

#include <cctype>
#include <set>

#include "cli/table.h"

namespace slicelet::cli {
namespace {

constexpr std::size_t kMaxMessage = 600;
constexpr std::size_t kMaxValue = 60;

void RemoveAll(std::string& text, const std::string& part) {
  for (std::size_t at = 0; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
}

std::string Shortened(const std::string& text, std::size_t limit) {
  return text.size() <= limit ? text : text.substr(0, limit) + "...";
}

bool IsPathCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_';
}

/// The fields that a message names: "spec.target.host" -> "target.host", "spec" -> "".
std::set<std::string> FieldsIn(const std::string& message) {
  std::set<std::string> fields;
  for (std::size_t at = 0; (at = message.find("spec", at)) != std::string::npos;) {
    const bool begins = at == 0 || !IsPathCharacter(message[at - 1]);
    std::size_t end = at;
    while (end < message.size() && IsPathCharacter(message[end])) ++end;
    std::string path = message.substr(at, end - at);
    while (!path.empty() && path.back() == '.') path.pop_back();
    if (begins && path == "spec") fields.insert("");
    if (begins && path.rfind("spec.", 0) == 0) fields.insert(path.substr(5));
    at = end;
  }
  return fields;
}

bool HasWord(const std::string& text, const std::string& word) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) {
    const bool begins = at == 0 || !IsPathCharacter(text[at - 1]);
    const bool ends = at + word.size() == text.size() || !IsPathCharacter(text[at + word.size()]);
    if (begins && ends) return true;
  }
  return false;
}

/// A field that the message is about, or that lies within one that it is about.
bool IsMeant(const Field& field, const std::string& message, const std::set<std::string>& named) {
  for (const std::string& path : named) {
    if (path.empty()) {
      // A rule on the whole spec names the fields in its own words.
      if (HasWord(message, field.path.substr(field.path.rfind('.') + 1))) return true;
    } else if (field.path == path || field.path.rfind(path + ".", 0) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string ReadableRefusal(const Kind& kind, const std::string& name, const std::string& message,
                            const Given& given) {
  std::string text = message;
  constexpr char kInvalid[] = " is invalid: ";
  if (const auto at = text.find(kInvalid); at != std::string::npos) text.erase(0, at + sizeof(kInvalid) - 1);
  if (text.size() > 1 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  RemoveAll(text,
            ", <nil>: Invalid value: \"null\": some validation rules were not checked because the object was "
            "invalid; "
            "correct the existing errors to complete validation");
  RemoveAll(text,
            ", <nil>: Invalid value: null: some validation rules were not checked because the object was "
            "invalid; correct the existing errors to complete validation");
  // Of an object the API server shows only that it is one.
  RemoveAll(text, "Invalid value: \"object\": ");
  const auto named = FieldsIn(text);
  std::string options;
  for (const Field& field : SchemaOf(kind.resource).fields) {
    const std::string option = OptionOf(kind, field);
    const auto it = given.find(option);
    const bool is_given = it != given.end() && !it->second.empty();
    if (!IsMeant(field, text, named)) continue;
    if (!options.empty()) options += ", ";
    options += option;
    if (is_given) options += " " + Shortened(it->second.back(), kMaxValue);
  }
  return Printable(kind.noun + " \"" + Shortened(name, kMaxValue) + "\" is refused: " +
                   Shortened(text, kMaxMessage) + (options.empty() ? "" : " (" + options + ")"));
}

}  // namespace slicelet::cli
