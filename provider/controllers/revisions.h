#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "provider/controllers/plan.h"

namespace slicelet::provider {

/// A ConfigMap with the revision of a gateway that was Ready last; there while spec.update.rollbackAfter is.
std::string RevisionRecordOf(const Json& gateway);

/// spec.update.strategy is hand-over.
bool HandsOver(const Json& gateway);

/// Why two revisions of this pod can not run side by side on one host, which a hand-over needs.
std::optional<Finding> HandOverProblem(const Json& gateway, const Json& pod);

/// Which revision of a gateway is to run: the one that its spec asks for, or the one that was Ready last,
/// once the other was not Ready within spec.update.rollbackAfter.
///
/// ```
/// Waiting -- the former pod has ended, or need not --> Trying -- is Ready --> Ready
///                                                         |
///                                                         +-- not in time --> RolledBack
/// ```
/// A revision that was rolled back is not tried again before the spec changes, in whatever way. The state is
/// in status.update, the revision to come back to in a ConfigMap: nothing else is remembered. Without
/// rollbackAfter there is no state.
class Rollout {
 public:
  enum class State { kNone, kWaiting, kTrying, kReady, kRolledBack };

  /// `asked`: the pod that the spec asks for, null for none; `digest` tells what it asks for apart, and is
  /// asked only where it matters. `record`: the ConfigMap, null for none. The gateway and `asked` must
  /// outlive it.
  Rollout(const Json& gateway, const Json& asked, const std::function<std::string()>& digest,
          const Json* record, const std::vector<const Json*>& pods, WallTime now);

  /// Something about it that can not be.
  [[nodiscard]] const std::optional<Finding>& problem() const { return problem_; }
  [[nodiscard]] State state() const { return state_; }
  /// What is to run.
  [[nodiscard]] const Json& pod() const { return state_ == State::kRolledBack ? former_ : asked_; }
  /// What the ConfigMap is to hold once `pod` is Ready; null: there is to be none.
  [[nodiscard]] Json Record() const;
  /// status.update and the condition Updated. Of what came back Ready says why.
  void Tell(Plan& plan) const;

 private:
  [[nodiscard]] State Judge(const std::vector<const Json*>& pods, WallTime now);
  [[nodiscard]] bool HasFormer() const { return !former_.is_null(); }
  [[nodiscard]] std::string Text(const char* member) const;
  [[nodiscard]] std::string Why() const;

  const Json& gateway_;
  const Json& asked_;
  std::string digest_;
  const WallTime now_;
  std::optional<Duration> rollback_after_;
  std::optional<Finding> problem_;
  std::string former_digest_;
  Json former_;
  /// Since when the revision is tried.
  std::optional<WallTime> since_;
  /// Why it is not Ready.
  std::string why_;
  State state_ = State::kNone;
};

}  // namespace slicelet::provider
