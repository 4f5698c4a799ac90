#pragma once

#include <string>
#include <string_view>

#include "common/base/ids.h"

namespace slicelet {

/// The user name that only the hub's certificate has. Not a DNS label, so that no host can have it.
inline constexpr char kMqttHubUser[] = "slicelet_hub";

/// Every topic of one hub.
class MqttTopics {
 public:
  explicit MqttTopics(const std::string& hub) : root_("slicelet/v1/" + hub + "/") {}

  [[nodiscard]] std::string Hub() const { return root_ + "hub"; }
  /// `leaf`: desired, down, blob/DIGEST, birth, up, will.
  [[nodiscard]] std::string Of(const HostId& host, const std::string& leaf) const {
    return root_ + "h/" + host.value() + "/" + leaf;
  }
  /// Every host's, for subscribing.
  [[nodiscard]] std::string OfAll(const std::string& leaf) const { return root_ + "h/+/" + leaf; }

  struct Parsed {
    HostId host;
    std::string leaf;
  };
  /// Empty host: not a topic of a host of this hub.
  [[nodiscard]] Parsed Parse(std::string_view topic) const {
    const std::string prefix = root_ + "h/";
    if (topic.substr(0, prefix.size()) != prefix) return {};
    topic.remove_prefix(prefix.size());
    const std::size_t slash = topic.find('/');
    if (slash == std::string_view::npos) return {};
    return {HostId(std::string(topic.substr(0, slash))), std::string(topic.substr(slash + 1))};
  }
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  std::string root_;
};

}  // namespace slicelet
