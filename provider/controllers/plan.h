#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"
#include "kube/kube_api.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// One call that changes the API server's objects, or reads one that is not watched. Every one may be made
/// twice: what it makes has a name of its own, and what it deletes may be gone.
struct Write {
  enum class Verb { kCreate, kPatch, kDelete, kRead };
  Verb verb = Verb::kCreate;
  kube::ObjectRef ref{};
  /// The object, or a merge patch.
  Json body{};
  /// kDelete: the one that is meant.
  std::string uid{};
  /// The step that it is made for.
  std::string step{};
  /// The IotCluster that it goes to; empty: the hub's own cluster.
  std::string cluster{};
};

/// The last write for an object that failed.
struct Failure {
  std::string step;
  absl::Status status;
};

/// What one look at an object leads to.
struct Outcome {
  /// To be made now; the object is looked at again when it was answered.
  std::optional<Write> write;
  /// What the object's status should say, member by member.
  Json status;
  /// When to look again though nothing changed.
  std::optional<Duration> again;
};

/// Why an object is as it is; `reason` in CamelCase.
struct Finding {
  std::string reason;
  std::string message;

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// The finalizer of our kinds: it holds an object until all that was made for it is undone.
inline constexpr char kFinalizer[] = "slicelet.io/undo";
/// "true" on an object that is being deleted: what can not be undone is given up on.
inline constexpr char kGiveUp[] = "slicelet.io/give-up";

/// Brings one object about, or undoes it: checks, then steps in order, each of which is already so or is made
/// so by one write or awaited. The first that is not so holds up all that follow. What the steps are is told
/// anew at every look, from the world alone; that is why a crash between any two writes is harmless.
class Plan {
 public:
  /// `object` and `failure` (null for none) must outlive it.
  Plan(const Json& object, const Failure* failure, WallTime now);

  /// Must hold before anything is made. The first that does not is what Ready says.
  void Check(const std::optional<Finding>& problem);
  /// The finalizer is there before anything is made.
  void Hold(const kube::Resource& kind);
  /// `message` says what was made.
  void Make(const std::string& step, bool done, const std::string& message,
            const std::function<Write()>& write);
  /// Somebody else makes it; `reason` says in a word why it is not so.
  void Await(const std::string& step, bool done, const std::string& message,
             const std::string& reason = "Progressing");

  /// Deletes `made`, and waits until it is gone (null). Of an object that is being deleted, in reverse order
  /// of `Make`.
  void Unmake(const std::string& step, const kube::Resource& kind, const Json* made,
              const std::string& cluster = "");
  /// The same for what can not be read: `remove` deletes it, and `removed` says that this was carried out.
  void UnmakeUnread(const std::string& step, bool removed, const Write& remove);
  /// The same for what somebody else undoes.
  void AwaitUndone(const std::string& step, bool undone, const std::string& message);
  /// The name under which the write of `UnmakeUnread` is known as carried out.
  static std::string UndoOf(const std::string& step) { return step + "Undone"; }
  /// Nothing may be undone while this holds.
  void Guard(const std::optional<Finding>& in_use);
  /// After the last `Unmake`: the object may go.
  void Release(const kube::Resource& kind);

  /// Everything is as it should be, and yet it is not Ready.
  void Settle(const Finding& finding) { Stop(finding.reason, finding.message, false); }

  /// What the status has recorded of a step.
  [[nodiscard]] bool WasDone(const std::string& step) const;

  /// Every check holds and every step is done.
  [[nodiscard]] bool complete() const { return !stopped_; }
  /// What holds it up; empty when complete.
  [[nodiscard]] const Finding& finding() const { return finding_; }
  /// A check or a write has failed, as opposed to not being so yet.
  [[nodiscard]] bool failed() const { return failed_; }

  /// Another condition than Ready.
  void Condition(const std::string& type, const std::string& status, const Finding& finding);
  /// Sets a member of the status.
  void Set(const std::string& member, Json value) { status_[member] = std::move(value); }
  void Again(Duration delay);
  /// The time of this look, as a status tells it.
  [[nodiscard]] std::string now() const;

  /// With Ready (True as `ready` says), steps and `phase`.
  Outcome Finish(const std::string& phase, const Finding& ready);

 private:
  void Stop(const std::string& reason, const std::string& message, bool failed);
  void AddStep(const std::string& name, const std::string& state, const std::string& message);

  const Json& object_;
  const Failure* failure_;
  const WallTime now_;
  std::optional<Write> write_;
  std::optional<Duration> again_;
  Json status_ = Json::object();
  Json steps_ = Json::array();
  Json conditions_ = Json::array();
  Finding finding_;
  bool stopped_ = false;
  bool failed_ = false;
  bool undoing_ = false;
};

/// A create of an object in `ns` that belongs to `owner`: Kubernetes removes it after its owner at the
/// latest.
Write CreateOwned(const kube::Resource& kind, const std::string& ns, const std::string& name, Json object,
                  const kube::Resource& owner_kind, const Json& owner);
Write MergePatch(const kube::Resource& kind, const Json& object, Json patch);
Write DeleteOf(const kube::Resource& kind, const Json& object);

/// The annotation kGiveUp is "true".
bool GivenUp(const Json& object);

}  // namespace slicelet::provider
