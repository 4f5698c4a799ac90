#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace slicelet::cli {

/// Options whose values are known.
using KnownValues = std::map<const CLI::Option*, std::vector<std::string>>;

/// What may stand in the place of the last of `words` (which may be empty, or the beginning of something),
/// after the others. `names` lists a noun's objects with the options given so far ("--slice": "north"); it
/// may be slow. Nothing: perhaps a file.
std::vector<std::string> Complete(
    const CLI::App& app, const KnownValues& values, const std::vector<std::string>& words,
    const std::function<std::vector<std::string>(const std::string& noun,
                                                 const std::map<std::string, std::string>& given)>& names);

/// What a shell ("bash", "zsh") has to read so that slicectl's commands, options and objects complete.
std::string CompletionScript(const std::string& shell);

}  // namespace slicelet::cli
