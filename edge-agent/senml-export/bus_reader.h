#pragma once

#include <memory>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/mqtt/mqtt.h"
#include "edge-agent/senml-export/intake.h"

namespace slicelet::senml {

/// Stays subscribed to the gateway's bus, in a session that the broker keeps while we are away. It is away
/// while nothing could be kept.
class BusReader {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::milliseconds(500), std::chrono::seconds(10)};

  struct Options {
    /// The same after every restart: the broker knows the session by it.
    std::string client_id;
    /// "edgex/events/#".
    std::string filter;
  };

  /// The dependencies must outlive this object.
  BusReader(Loop& loop, Random& random, MqttDialer& bus, Intake& intake, Options options);

  void Start();
  [[nodiscard]] bool connected() const { return connected_; }
  /// Why it is not connected; "" while it is.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  void Connect();
  void ConnectLater(const std::string& why);

  MqttDialer& bus_;
  Intake& intake_;
  const Options options_;
  Backoff backoff_;
  std::unique_ptr<MqttConnection> connection_;
  bool connected_ = false;
  std::string why_ = "not connected to the bus yet";
  Timer retry_;
};

}  // namespace slicelet::senml
