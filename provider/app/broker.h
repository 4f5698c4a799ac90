#pragma once

#include <memory>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/metrics/metrics_page.h"
#include "common/mqtt/mqtt_host_acceptor.h"
#include "provider/app/config.h"

namespace slicelet::provider {

/// The hub's end of its hosts' links over a broker, with its keys.
class Broker {
 public:
  /// Reads the files that `config` names, and certificate and key again before each connection; connects when
  /// the acceptor is started. The references must outlive it.
  static absl::StatusOr<std::unique_ptr<Broker>> Make(const std::string& hub_id, const ProviderMqtt& config,
                                                      FileSystem& files, Loop& loop, Clock& clock,
                                                      Random& random);

  [[nodiscard]] MqttHostAcceptor& hosts() { return *hosts_; }
  void AddMetrics(MetricsPage& page) const;

 private:
  std::unique_ptr<Signer> signer_;
  std::unique_ptr<Opener> opener_;
  std::unique_ptr<MqttDialer> dialer_;
  std::unique_ptr<MqttHostAcceptor> hosts_;
};

}  // namespace slicelet::provider
