#include "kube/cluster/selector.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kube/object.h"

namespace slicelet::kube {
namespace {

std::string Trim(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

/// Splits at commas outside of parentheses.
std::vector<std::string> Terms(const std::string& text) {
  std::vector<std::string> terms;
  std::string term;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      terms.push_back(Trim(term));
      term.clear();
    } else {
      term += c;
    }
  }
  terms.push_back(Trim(term));
  return terms;
}

std::string FieldOf(const Json& object, const std::string& path) {
  const Json* at = &object;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const auto dot = std::min(path.find('.', begin), path.size());
    if (!at->is_object()) return {};
    const auto it = at->find(path.substr(begin, dot - begin));
    if (it == at->end()) return {};
    at = &*it;
    begin = dot + 1;
  }
  return at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

absl::StatusOr<Selector> Selector::Parse(const ListOptions& options) {
  Selector selector;
  SLICELET_ASSIGN_OR_RETURN(selector.fields_, ParseRequirements(options.field_selector));
  SLICELET_ASSIGN_OR_RETURN(selector.labels_, ParseRequirements(options.label_selector));
  return selector;
}

absl::StatusOr<std::vector<Selector::Requirement>> Selector::ParseRequirements(const std::string& text) {
  std::vector<Requirement> requirements;
  if (Trim(text).empty()) return requirements;
  for (const std::string& term : Terms(text)) {
    if (term.empty()) return absl::InvalidArgumentError("selector \"" + text + "\" has an empty term");
    Requirement requirement;
    const auto open = term.find('(');
    const auto equals = term.find('=');
    if (open != std::string::npos) {
      std::string head = Trim(term.substr(0, open));
      const auto space = head.rfind(' ');
      if (space == std::string::npos || term.back() != ')') {
        return absl::InvalidArgumentError("selector term \"" + term + "\" is not KEY in (A,B)");
      }
      const std::string word = head.substr(space + 1);
      if (word != "in" && word != "notin") {
        return absl::InvalidArgumentError("selector term \"" + term + "\": unknown operator " + word);
      }
      requirement.kind = word == "in" ? Requirement::Kind::kIn : Requirement::Kind::kNotIn;
      requirement.key = Trim(head.substr(0, space));
      requirement.values = Terms(term.substr(open + 1, term.size() - open - 2));
    } else if (equals != std::string::npos) {
      const bool negated = equals > 0 && term[equals - 1] == '!';
      const bool doubled = equals + 1 < term.size() && term[equals + 1] == '=';
      requirement.kind = negated ? Requirement::Kind::kNotIn : Requirement::Kind::kIn;
      requirement.key = Trim(term.substr(0, negated ? equals - 1 : equals));
      requirement.values = {Trim(term.substr(equals + (doubled ? 2 : 1)))};
    } else {
      const bool absent = term.front() == '!';
      requirement.kind = absent ? Requirement::Kind::kAbsent : Requirement::Kind::kExists;
      requirement.key = Trim(absent ? term.substr(1) : term);
    }
    if (requirement.key.empty())
      return absl::InvalidArgumentError("selector term \"" + term + "\" has no key");
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

bool Selector::Matches(const Json& object) const {
  const auto holds = [](const Requirement& requirement, bool present, const std::string& value) {
    const bool listed =
        std::find(requirement.values.begin(), requirement.values.end(), value) != requirement.values.end();
    switch (requirement.kind) {
      case Requirement::Kind::kIn:
        return present && listed;
      case Requirement::Kind::kNotIn:
        return !present || !listed;
      case Requirement::Kind::kExists:
        return present;
      case Requirement::Kind::kAbsent:
        return !present;
    }
    return false;
  };
  // A field that is not set compares as the empty text.
  const bool fields = std::all_of(fields_.begin(), fields_.end(), [&](const Requirement& requirement) {
    return holds(requirement, true, FieldOf(object, requirement.key));
  });
  return fields && std::all_of(labels_.begin(), labels_.end(), [&](const Requirement& requirement) {
           const Json* labels = Find(object, {"metadata", "labels"});
           const bool present = labels != nullptr && labels->is_object() && labels->contains(requirement.key);
           return holds(requirement, present, TextAt(object, {"metadata", "labels", requirement.key}));
         });
}

std::string Selector::RequiredField(const std::string& path) const {
  for (const Requirement& requirement : fields_) {
    if (requirement.kind == Requirement::Kind::kIn && requirement.key == path)
      return requirement.values.front();
  }
  return {};
}

}  // namespace slicelet::kube
