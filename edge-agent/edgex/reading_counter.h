#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/loop/loop.h"
#include "edge-agent/edgex/edgex_client.h"
#include "slicelet/v1/workload.pb.h"

namespace slicelet::agent {

/// Asks the core-data of one gateway now and then what it holds of each IoT device.
///
/// A round asks for one device after the other, and what it found is told in one go at its end: however many
/// readings come, something is told at most once in a period. Between those, devices of which no reading is
/// known yet are asked for after 10 s, then ever more rarely, so that a first reading is told soon. Finding
/// an answer can cost core-data much of a slow disk's time: between two rounds it has 20 times the rest that
/// the last one took.
///
/// Of a device that core-data tells nothing of, the last that it told stays.
class ReadingCounter {
 public:
  static constexpr Duration kFirstDelay = std::chrono::seconds(10);
  static constexpr int kRestPerWork = 20;

  /// `changed` is called when `readings` differs. The dependencies must outlive this object.
  ReadingCounter(Loop& loop, const Clock& clock, EdgexClient& client, Duration period,
                 std::function<void()> changed);

  void SetDevices(const std::set<std::string>& names);
  /// Where core-data answers; nullopt while it is not ready.
  void SetEndpoint(std::optional<EdgexClient::Endpoint> endpoint);

  /// By the device's name; none for a device that core-data has not told of.
  [[nodiscard]] const std::map<std::string, v1::DeviceReadings>& readings() const { return told_; }

 private:
  void Begin();
  void BeginRound();
  void AskNext();
  void TakeIn(const std::string& name, const EdgexClient::Answer& answer);
  void EndRound();
  void Rest(Duration delay);

  Loop& loop_;
  const Clock& clock_;
  EdgexClient& client_;
  const Duration period_;
  const std::function<void()> changed_;
  std::set<std::string> names_;
  std::optional<EdgexClient::Endpoint> endpoint_;
  std::map<std::string, v1::DeviceReadings> told_;
  /// What the present round found so far.
  std::map<std::string, v1::DeviceReadings> found_;
  /// Still to be asked for in the present round.
  std::vector<std::string> ahead_;
  /// Rises with every round; answers to an older one are dropped.
  std::uint64_t round_ = 0;
  MonotonicTime began_{};
  /// When all devices are asked for again.
  MonotonicTime all_due_{};
  MonotonicTime rest_until_{};
  Duration delay_ = kFirstDelay;
  Timer timer_;
  Lifetime lifetime_;
};

}  // namespace slicelet::agent
