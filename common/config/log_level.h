#pragma once

#include <string>

#include "common/config/config_reader.h"
#include "common/log/log.h"

namespace slicelet {

/// Reads `logLevel`, which counts from then on.
inline void ReadLogLevel(ConfigReader& reader) {
  std::string level;
  if (!reader.Optional("logLevel", &level) || SetLogLevel(level)) return;
  reader.Error("logLevel", "\"" + level + "\" is none of debug, info, warning, error, off");
}

}  // namespace slicelet
