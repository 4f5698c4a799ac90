#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "cli/kinds/kind.h"

namespace slicelet::cli {
namespace {

/// Options whose value names an object.
const std::map<std::string, std::string> kNouns = {{"--slice", "slice"},
                                                   {"--server", "server"},
                                                   {"--gateway", "gateway"},
                                                   {"--edge-cluster", "cluster"},
                                                   {"--cloud-cluster", "cluster"}};
/// Verbs whose NAME is that of an object that is there.
const std::set<std::string> kVerbs = {"get", "set", "delete", "attach", "detach", "approve", "revoke", "tag"};

bool Begins(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

const CLI::App* SubcommandOf(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  names.reserve(option.get_lnames().size() + option.get_snames().size());
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

/// Where the words lead to.
struct Place {
  const CLI::App* app;
  /// The next word is its value.
  const CLI::Option* pending = nullptr;
  std::map<std::string, std::string> given;

  /// The options that may stand here: those of this command, and of the ones above.
  [[nodiscard]] std::vector<const CLI::Option*> Options() const {
    std::vector<const CLI::Option*> options;
    for (const CLI::App* at = app; at != nullptr; at = at->get_parent()) {
      for (const CLI::Option* option : at->get_options([](const CLI::Option*) { return true; })) {
        if (!option->get_lnames().empty() || !option->get_snames().empty()) options.push_back(option);
      }
    }
    return options;
  }

  [[nodiscard]] const CLI::Option* Find(const std::string& name) const {
    for (const CLI::Option* option : Options()) {
      const auto names = NamesOf(*option);
      if (std::find(names.begin(), names.end(), name) != names.end()) return option;
    }
    return nullptr;
  }

  void Take(const std::string& word) {
    if (pending != nullptr) {
      given[NamesOf(*pending).front()] = word;
      pending = nullptr;
    } else if (Begins(word, "-")) {
      const auto equals = word.find('=');
      const CLI::Option* option = Find(word.substr(0, equals));
      if (option == nullptr) return;
      if (equals != std::string::npos) {
        given[NamesOf(*option).front()] = word.substr(equals + 1);
      } else if (option->get_items_expected_max() > 0) {
        pending = option;
      }
    } else if (const CLI::App* sub = SubcommandOf(*app, word); sub != nullptr) {
      app = sub;
    }
  }
};

}  // namespace

std::vector<std::string> Complete(
    const CLI::App& app, const KnownValues& values, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(const std::string& noun,
                                                 const std::map<std::string, std::string>& given)>& names) {
  if (words.empty()) return {};
  Place place{.app = &app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) place.Take(words[i]);
  const std::string& begun = words.back();
  std::vector<std::string> candidates;
  if (place.pending != nullptr) {
    const auto known = values.find(place.pending);
    const auto noun = kNouns.find(NamesOf(*place.pending).front());
    if (known != values.end()) {
      candidates = known->second;
    } else if (noun != kNouns.end()) {
      candidates = names(noun->second, place.given);
    }
  } else if (Begins(begun, "-")) {
    for (const CLI::Option* option : place.Options()) {
      for (const std::string& name : NamesOf(*option)) candidates.push_back(name);
    }
  } else {
    for (const CLI::App* sub : place.app->get_subcommands([](const CLI::App*) { return true; })) {
      candidates.push_back(sub->get_name());
    }
    const CLI::App* group = place.app->get_parent();
    const Kind* kind = group == nullptr ? nullptr : FindKind(group->get_name());
    if (kind != nullptr && kVerbs.count(place.app->get_name()) != 0)
      candidates = names(kind->noun, place.given);
  }
  std::set<std::string> fitting;
  for (const std::string& candidate : candidates) {
    if (Begins(candidate, begun)) fitting.insert(candidate);
  }
  return {fitting.begin(), fitting.end()};
}

std::string CompletionScript(const std::string& shell) {
  if (shell == "zsh") {
    return R"(#compdef slicectl
_slicectl() {
  local -a candidates
  candidates=("${(@f)$(slicectl __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
  if [[ -n "${candidates[*]}" ]]; then compadd -a candidates; else _files; fi
}
compdef _slicectl slicectl
)";
  }
  return R"(_slicectl() {
  local word=${COMP_WORDS[COMP_CWORD]}
  # Bash takes "=" for a word of its own: --output=ya is --output, =, ya.
  local -a words=()
  local part
  for part in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    [[ $part == "=" ]] || words+=("$part")
  done
  [[ $word != "=" ]] || { word=; words+=(""); }
  mapfile -t COMPREPLY < <(slicectl __complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _slicectl slicectl
)";
}

}  // namespace slicelet::cli
