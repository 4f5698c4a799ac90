#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "common/base/ids.h"
#include "common/loop/loop.h"
#include "edge-agent/link/manifest_runner.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// Sends what the host knows of its workloads: everything when a session begins or the hub asks, then what
/// changed.
///
/// Changes are coalesced for at most the batch interval; after a quiet interval, or when they are urgent,
/// they go at once. What is not acknowledged in time is sent again as a full report with the newest content,
/// so a lost report never matters. What is too large for one report goes on in the next ones, as changes.
/// Used on the loop.
class StatusReporter {
 public:
  using Send = std::function<void(const v1::StatusReport&)>;

  /// Both must outlive this object.
  StatusReporter(Loop& loop, const ManifestRunner& runner, Send send);

  /// A session stands: sequences begin at 1 and a full report goes out after `first_delay`.
  void Begin(Duration batch, Duration first_delay);
  /// No session: changes are remembered by the next full report.
  void End();

  void OnChanged(const std::vector<PodUid>& uids, bool urgent);
  void OnAck(std::uint64_t sequence);
  void OnResync();
  void SetFacts(const v1::NodeFacts& facts);
  void SetObserved(const Generation& generation) { observed_ = generation; }

 private:
  void Schedule(bool urgent);
  void Flush();
  /// Within the patience, if that does not run already.
  void ExpectAck();

  Loop& loop_;
  const ManifestRunner& runner_;
  const Send send_;
  v1::NodeFacts facts_;
  Generation observed_;
  bool open_ = false;
  Duration batch_{};
  MonotonicTime last_sent_{};
  std::uint64_t sequence_ = 0;
  std::uint64_t acknowledged_ = 0;
  Duration patience_{};
  std::set<PodUid> dirty_;
  bool full_ = false;
  bool facts_changed_ = false;
  bool first_waits_ = false;
  Timer flush_;
  Timer resend_;
};

}  // namespace slicelet::agent
