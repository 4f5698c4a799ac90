#pragma once

#include <string>

#include "common/base/time.h"
#include "common/config/config_reader.h"

namespace slicelet {

/// How often a link between hub and hosts says that it lives, and what can wait, when nothing else says
/// otherwise.
struct LinkPace {
  Duration heartbeat = std::chrono::seconds(60);
  Duration keepalive = std::chrono::seconds(60);
  /// What IoT devices have read.
  Duration readings = std::chrono::seconds(60);
  /// Nothing travels that nobody asked for.
  bool low_data = false;
};

/// Reads `profile`: "standard" (the default), or "low-data" for links that are paid by the byte. What the
/// profile sets is a default only: fields that are given replace it.
inline LinkPace ReadLinkProfile(ConfigReader& reader) {
  std::string profile = "standard";
  reader.Optional("profile", &profile);
  if (profile == "low-data") {
    return {.heartbeat = std::chrono::seconds(240),
            .keepalive = std::chrono::minutes(15),
            .readings = std::chrono::minutes(15),
            .low_data = true};
  }
  if (profile != "standard") reader.Error("profile", "\"" + profile + "\" is neither standard nor low-data");
  return {};
}

}  // namespace slicelet
