#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/base/status.h"
#include "common/base/time.h"

namespace slicelet::provider {

enum class AttachState { kDetached, kAttaching, kAttached, kDegraded, kDetaching, kOrphaned };

/// As conditions and printer columns call it: "Attached".
std::string NameOf(AttachState state);

/// What is kept of one attachment: of one gateway on one host to one server. It is durable before the next
/// step is taken, so that a crash anywhere leaves nothing behind that nobody knows of.
struct AttachRecord {
  AttachState state = AttachState::kDetached;
  /// CamelCase, and what, where and what to do; why the state is not a better one.
  std::string reason, message;
  /// Ids at the server; "" when there is none, or none is known.
  std::string identity, channel;
  /// The identity's key. Belongs into a Secret; everything else may stand in a status.
  std::string key;

  friend bool operator==(const AttachRecord&, const AttachRecord&) = default;
};

/// The state machine of one attachment: a pure function, one action under way at most.
///
///     want: Detached -> Attaching: intent recorded, look for things of our name, make one or keep one,
///     recorded,
///           the same for the channel, connect, key recorded, verify -> Attached <-> Degraded
///     want no more (the exporter has stopped): Detaching: intent recorded, look for what has our name,
///     disconnect,
///           channels, things -> Detached;  server away: Orphaned until it is back, or given up
///
/// - Names are not unique at the servers. What has our name is ours: the name holds the gateway's uid and the
/// host.
///   The recorded id is kept if it is still there, else the first found; all others are deleted.
/// - A server that is away, or refuses the login, is tried again, and nothing is undone. Any other failure
/// undoes
///   all steps in reverse, with the reason kept, and begins anew after a while.
/// - Attached is looked at again every `kVerifyPeriod`: a key that is refused, or an exporter that can not
///   publish, makes it Degraded, and its steps are taken again, which mends what can be mended.
/// - Detaching that fails is Orphaned: the record is the tombstone, tried until the server takes it.
///   Nothing needs to wait for that. `GivenUp` asks once more, also when that can not be recorded, and
///   forgets what the server does not take back.
namespace attach {

inline constexpr Duration kVerifyPeriod = std::chrono::minutes(5);

/// What happens outside.
struct Wanted {
  bool attached = false;
};
struct GivenUp {};
/// What the host says of the exporter; not OK when it can not publish.
struct ExporterReported {
  absl::Status status;
};
/// `Wait`'s time has come.
struct TimePassed {};
/// Answers to actions.
struct Done {
  absl::Status status;
};
struct Found {
  absl::StatusOr<std::vector<std::string>> ids;
};
/// The id of what was made, or the key that was fetched.
struct Got {
  absl::StatusOr<std::string> text;
};
using Event = std::variant<Wanted, GivenUp, ExporterReported, TimePassed, Done, Found, Got>;

/// Answered by Done, but for those of `Look` (Found), `Make` and `FetchKey` (Got).
struct Save {
  AttachRecord record;
};
struct LookForIdentities {};
struct LookForChannels {};
struct MakeIdentity {};
struct MakeChannel {};
struct Connect {
  std::string identity, channel;
};
struct FetchKey {
  std::string identity;
};
struct Verify {
  std::string identity, channel, key;
};
struct Disconnect {
  std::string identity, channel;
};
struct DeleteIdentity {
  std::string id;
};
struct DeleteChannel {
  std::string id;
};
/// No answer but TimePassed. Zero: after the next backoff; each one in a row is longer until `Settled`.
struct Wait {
  Duration time{};
};
/// No answer: failures before this do not count for the backoff.
struct Settled {};
using Action = std::variant<Save, LookForIdentities, LookForChannels, MakeIdentity, MakeChannel, Connect,
                            FetchKey, Verify, Disconnect, DeleteIdentity, DeleteChannel, Wait, Settled>;

enum class Stage {
  /// Nothing to do.
  kIdle,
  /// Waits for TimePassed.
  kWaiting,
  kRecordIntent,
  kFindIdentities,
  kTrimIdentities,
  kMakeIdentity,
  kRecordIdentity,
  kFindChannels,
  kTrimChannels,
  kMakeChannel,
  kRecordChannel,
  kConnect,
  kFetchKey,
  kRecordKey,
  kVerify,
  kRecordAttached,
  /// Attached; waits for TimePassed, then verifies.
  kWatch,
  kWatchVerify,
  /// Undoing: for a detachment, and after a failure.
  kRecordUndo,
  kUndoFindIdentities,
  kUndoFindChannels,
  kUndoDisconnect,
  kUndoChannels,
  kUndoIdentities,
  kRecordUndone,
};

struct State {
  /// `stored` at first; then what is known now.
  AttachRecord record;
  /// What was read at the start, or saved since.
  AttachRecord stored;
  bool wanted = false;
  /// Asked for once more; then what is left is forgotten.
  bool given_up = false;
  absl::Status exporter;
  Stage stage = Stage::kIdle;
  /// An action's answer is awaited.
  bool busy = false;
  /// Since then something is wanted that the current steps do not lead to.
  bool turned = false;
  /// What is found beside the record, still to be deleted.
  std::vector<std::string> identities, channels;
  /// Why steps are being undone; OK for a detachment.
  absl::Status failure;
};

/// Returns what to do now.
std::vector<Action> Step(State& state, const Event& event);

}  // namespace attach
}  // namespace slicelet::provider
