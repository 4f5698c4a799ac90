#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/loop.h"
#include "edge-agent/edgex/edgex_client.h"
#include "edge-agent/edgex/iot_device.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Keeps the IoT devices of one gateway in its core-metadata as they are wanted.
///
/// Level-triggered: a round looks at every device, one request at a time, and changes only what differs, so a
/// gateway that was wiped gets all of them back. Rounds begin when core-metadata becomes ready, when the
/// devices change, soon after one could not be applied, and every minute. For each device:
///
///     its device service is registered -> its profile is as wanted -> it is as wanted
///
/// What a failed device made in this round is deleted again. Devices with our label that are not wanted any
/// more are deleted, with their profile if nothing else uses it. One request is outstanding at most.
class DeviceProvisioner {
 public:
  static constexpr Duration kLookPeriod = std::chrono::minutes(1);
  static constexpr Duration kRetryPeriod = std::chrono::seconds(5);

  /// `changed` is called when a result differs. The dependencies must outlive this object.
  DeviceProvisioner(Loop& loop, EdgexClient& client, std::function<void()> changed);

  void SetDevices(std::vector<IotDevice> devices);
  /// Where core-metadata answers; nullopt while it is not ready.
  void SetEndpoint(std::optional<EdgexClient::Endpoint> endpoint);

  /// One for each device, sorted by name. A device that was applied once stays so until a round says
  /// otherwise.
  [[nodiscard]] const std::vector<v1::DeviceStatus>& results() const { return results_; }

 private:
  using Answered = std::function<void(int status, const nlohmann::json& body)>;

  void Begin();
  void Next();
  void FindService();
  void FindProfile();
  void FindDevice();
  void RemoveStrangers();
  void RemoveOne(std::vector<std::pair<std::string, std::string>> strangers);
  void Finish();
  /// Ends the current device: applied without a reason.
  void Settle(const std::string& reason, const std::string& message);
  /// As `Settle`, and undoes what this device made.
  void Fail(const std::string& reason, const nlohmann::json& verdict);
  void Ask(const std::string& method, const std::string& target, const nlohmann::json& body,
           Answered answered);

  Loop& loop_;
  EdgexClient& client_;
  const std::function<void()> changed_;
  std::vector<IotDevice> devices_;
  std::optional<EdgexClient::Endpoint> endpoint_;
  std::vector<v1::DeviceStatus> results_;
  /// Rises with every round; answers to an older one are dropped.
  std::uint64_t round_ = 0;
  std::size_t at_ = 0;
  bool made_profile_ = false;
  bool all_applied_ = true;
  Timer timer_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
