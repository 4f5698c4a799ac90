#include "provider/attach/attachment.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {

std::string NameOf(AttachState state) {
  switch (state) {
    case AttachState::kDetached:
      return "Detached";
    case AttachState::kAttaching:
      return "Attaching";
    case AttachState::kAttached:
      return "Attached";
    case AttachState::kDegraded:
      return "Degraded";
    case AttachState::kDetaching:
      return "Detaching";
    case AttachState::kOrphaned:
      return "Orphaned";
  }
  return "Unknown";
}

namespace attach {
namespace {

using Actions = std::vector<Action>;

/// Trying again may help, and what was made is not in the way.
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kNotFound:  // Deleted between two steps by somebody else: the next look sees it.
      return true;
    default:
      return false;
  }
}

std::string ReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return "CredentialsRejected";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return "ServerUnreachable";
    case absl::StatusCode::kPermissionDenied:
      return "Refused";
    default:
      return "StepFailed";
  }
}

/// One call of `Step`.
class Machine {
 public:
  explicit Machine(State& state) : s_(state) {}

  Actions Take(const Event& event) {
    std::visit([this](const auto& e) { On(e); }, event);
    return std::move(actions_);
  }

 private:
  AttachRecord& record() { return s_.record; }

  // ---- What happens outside ----

  void On(const Wanted& event) {
    if (event.attached == s_.wanted && s_.stage != Stage::kIdle) return;
    s_.wanted = event.attached;
    Turn();
  }
  void On(const GivenUp&) {
    if (s_.wanted || s_.given_up) return;
    s_.given_up = true;
    // Else what is under way is the last that is asked of it.
    if (!s_.busy) Begin();
  }
  void On(const ExporterReported& event) {
    s_.exporter = event.status;
    if (s_.stage == Stage::kWatch) Turn();
  }
  void On(const TimePassed&) {
    if (s_.busy) return;
    if (s_.stage == Stage::kWatch) return Go(Stage::kWatchVerify);
    if (s_.stage == Stage::kWaiting) Begin();
  }

  /// Takes the new wish up, now or once the action under way is answered.
  void Turn() {
    s_.turned = s_.busy;
    if (!s_.busy) Begin();
  }

  /// The first of the steps to what is wanted.
  void Begin() {
    s_.turned = false;
    s_.failure = absl::OkStatus();
    if (s_.wanted) {
      s_.given_up = false;
      if (s_.stage != Stage::kWatch) return Go(Stage::kRecordIntent);
      if (!ShowsExporter()) Go(Stage::kRecordAttached);
      return;
    }
    const bool nothing_there = record() == AttachRecord{};
    if (nothing_there && s_.stage == Stage::kIdle) return;
    // Forgotten already, but for the record.
    if (s_.given_up && s_.stage == Stage::kWaiting && record().state == AttachState::kDetached)
      return Forget();
    Go(Stage::kRecordUndo);
  }

  [[nodiscard]] bool ShowsExporter() const {
    return s_.exporter.ok() == (s_.record.state == AttachState::kAttached);
  }

  void Forget() {
    record() = AttachRecord{};
    Go(Stage::kRecordUndone);
  }

  // ---- Answers ----

  void On(const Done& answer) {
    s_.busy = false;
    if (answer.status.ok() && IsRecording(s_.stage)) s_.stored = record();
    if (s_.turned) return Begin();
    // A record that could not be written is written again before anything else is done: what comes next would
    // be known to nobody after a crash.
    if (!answer.status.ok() && IsRecording(s_.stage)) return Again(answer.status);
    if (!answer.status.ok()) return Fail(answer.status);
    Finished();
  }
  void On(const Found& answer) {
    s_.busy = false;
    if (s_.turned) return Begin();
    if (!answer.ids.ok()) return Fail(answer.ids.status());
    const bool identities = s_.stage == Stage::kFindIdentities || s_.stage == Stage::kUndoFindIdentities;
    (identities ? s_.identities : s_.channels) = *answer.ids;
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kMakeWithoutLook) && !Undoing()) s_.identities.clear();
#endif
    Finished();
  }
  void On(const Got& answer) {
    s_.busy = false;
    if (answer.text.ok()) {
      // Also when something else is wanted by now: what was made must be known.
      if (s_.stage == Stage::kMakeIdentity) record().identity = *answer.text;
      if (s_.stage == Stage::kMakeChannel) record().channel = *answer.text;
      if (s_.stage == Stage::kFetchKey) record().key = *answer.text;
    }
    if (s_.turned) return Begin();
    if (!answer.text.ok()) return Fail(answer.text.status());
    Finished();
  }

  static bool IsRecording(Stage stage) {
    return stage == Stage::kRecordIntent || stage == Stage::kRecordIdentity ||
           stage == Stage::kRecordChannel || stage == Stage::kRecordKey || stage == Stage::kRecordAttached ||
           stage == Stage::kRecordUndo || stage == Stage::kRecordUndone;
  }
  [[nodiscard]] bool Undoing() const { return s_.stage >= Stage::kRecordUndo; }

  void Fail(const absl::Status& status) {
    if (Undoing()) {
      // What is left is on record; nobody needs to wait for it.
      if (!s_.wanted) record().state = AttachState::kOrphaned;
      return Again(status);
    }
    if (record().state == AttachState::kAttached) record().state = AttachState::kDegraded;
    // A refused key may only lack its connection: the steps are taken again before they are undone.
    if (IsPassing(status) || s_.stage == Stage::kWatchVerify) return Again(status);
    s_.failure = status;
    Go(Stage::kRecordUndo);
  }

  /// From the first step, after a while. The reason is shown, and stored with the next step's record.
  void Again(const absl::Status& status) {
    if (s_.given_up && !IsRecording(s_.stage)) return Forget();
    // Also what can not be recorded is taken back; while the API server is away it waits.
    const bool refused = !IsPassing(status) && !absl::IsAborted(status);
    if (s_.given_up && s_.stage == Stage::kRecordUndo && refused) return Go(Stage::kUndoFindIdentities);
    record().reason = ReasonOf(status);
    record().message = Message(status);
    s_.stage = Stage::kWaiting;
    Emit(Wait{});
  }

  // ---- Steps ----

  /// The stage's action was carried out.
  void Finished() {
    switch (s_.stage) {
      case Stage::kIdle:
      case Stage::kWaiting:
      case Stage::kWatch:
        return;
      case Stage::kRecordIntent:
        return Go(Stage::kFindIdentities);
      case Stage::kFindIdentities:
        Keep(s_.identities, record().identity);
        return Go(Stage::kTrimIdentities);
      case Stage::kTrimIdentities:
        s_.identities.pop_back();
        return Go(Stage::kTrimIdentities);
      case Stage::kMakeIdentity:
        return Go(Stage::kRecordIdentity);
      case Stage::kRecordIdentity:
        return Go(Stage::kFindChannels);
      case Stage::kFindChannels:
        Keep(s_.channels, record().channel);
        return Go(Stage::kTrimChannels);
      case Stage::kTrimChannels:
        s_.channels.pop_back();
        return Go(Stage::kTrimChannels);
      case Stage::kMakeChannel:
        return Go(Stage::kRecordChannel);
      case Stage::kRecordChannel:
        return Go(Stage::kConnect);
      case Stage::kConnect:
        return Go(Stage::kFetchKey);
      case Stage::kFetchKey:
        return Go(Stage::kRecordKey);
      case Stage::kRecordKey:
        return Go(Stage::kVerify);
      case Stage::kVerify:
      case Stage::kWatchVerify:
        return Go(Stage::kRecordAttached);
      case Stage::kRecordAttached:
        Emit(Settled{});
        return Go(Stage::kWatch);
      case Stage::kRecordUndo:
        return Go(Stage::kUndoFindIdentities);
      case Stage::kUndoFindIdentities:
        Add(s_.identities, record().identity);
        return Go(Stage::kUndoFindChannels);
      case Stage::kUndoFindChannels:
        Add(s_.channels, record().channel);
        return Go(Stage::kUndoDisconnect);
      case Stage::kUndoDisconnect:
        return Go(Stage::kUndoChannels);
      case Stage::kUndoChannels:
        s_.channels.pop_back();
        return Go(Stage::kUndoChannels);
      case Stage::kUndoIdentities:
        s_.identities.pop_back();
        return Go(Stage::kUndoIdentities);
      case Stage::kRecordUndone:
        return Undone();
    }
  }

  /// The action of a stage, or of the next one that has any.
  void Go(Stage stage) {
    s_.stage = stage;
    switch (stage) {
      case Stage::kIdle:
      case Stage::kWaiting:
        return;
      case Stage::kRecordIntent:
        // One that was attached before this process began is so until something says otherwise.
        if (record().state != AttachState::kAttached && record().state != AttachState::kDegraded)
          record().state = AttachState::kAttaching;
        return Store();
      case Stage::kFindIdentities:
        return Emit(LookForIdentities{});
      case Stage::kTrimIdentities:
        if (!s_.identities.empty()) return Emit(DeleteIdentity{s_.identities.back()});
        return Go(record().identity.empty() ? Stage::kMakeIdentity : Stage::kRecordIdentity);
      case Stage::kMakeIdentity:
        return Emit(MakeIdentity{});
      case Stage::kRecordIdentity:
      case Stage::kRecordChannel:
      case Stage::kRecordKey:
        return Store();
      case Stage::kFindChannels:
        return Emit(LookForChannels{});
      case Stage::kTrimChannels:
        if (!s_.channels.empty()) return Emit(DeleteChannel{s_.channels.back()});
        return Go(record().channel.empty() ? Stage::kMakeChannel : Stage::kRecordChannel);
      case Stage::kMakeChannel:
        return Emit(MakeChannel{});
      case Stage::kConnect:
        return Emit(Connect{record().identity, record().channel});
      case Stage::kFetchKey:
        return Emit(FetchKey{record().identity});
      case Stage::kVerify:
      case Stage::kWatchVerify:
        return Emit(Verify{record().identity, record().channel, record().key});
      case Stage::kRecordAttached:
        return RecordAttached();
      case Stage::kWatch:
        // The host may have said something while the record was written.
        if (!ShowsExporter()) return Go(Stage::kRecordAttached);
        return Emit(Wait{kVerifyPeriod});
      case Stage::kRecordUndo:
        if (!s_.wanted && record().state != AttachState::kOrphaned) record().state = AttachState::kDetaching;
        return Store();
      case Stage::kUndoFindIdentities:
        return Emit(LookForIdentities{});
      case Stage::kUndoFindChannels:
        return Emit(LookForChannels{});
      case Stage::kUndoDisconnect:
        if (record().identity.empty() || record().channel.empty()) return Go(Stage::kUndoChannels);
        return Emit(Disconnect{record().identity, record().channel});
      case Stage::kUndoChannels:
        if (s_.channels.empty()) return Go(Stage::kUndoIdentities);
        return Emit(DeleteChannel{s_.channels.back()});
      case Stage::kUndoIdentities:
        if (!s_.identities.empty()) return Emit(DeleteIdentity{s_.identities.back()});
        record() = AttachRecord{};
        if (!s_.failure.ok()) {
          record().reason = ReasonOf(s_.failure);
          record().message = Message(s_.failure);
        }
        return Go(Stage::kRecordUndone);
      case Stage::kRecordUndone:
        return Store();
    }
  }

  void Store() {
#ifdef SLICELET_PLANTS
    if (sim::Planted(sim::Plant::kMakeBeforeIntent) && s_.stage < Stage::kRecordKey) return Finished();
#endif
    if (record() == s_.stored) return Finished();
    Emit(Save{record()});
  }

  void RecordAttached() {
    const bool publishing = s_.exporter.ok();
    record().state = publishing ? AttachState::kAttached : AttachState::kDegraded;
    record().reason = publishing ? "" : "ExporterNotPublishing";
    record().message = publishing ? "" : Message(s_.exporter);
    Store();
  }

  void Undone() {
    s_.given_up = false;
    if (!s_.failure.ok()) return Again(s_.failure);
    s_.stage = Stage::kIdle;
    Emit(Settled{});
    if (s_.wanted) Begin();
  }

  /// Leaves in `found` what is to be deleted, and in `id` what is kept.
  static void Keep(std::vector<std::string>& found, std::string& id) {
    auto kept = std::find(found.begin(), found.end(), id);
    if (kept == found.end()) kept = found.begin();
    id = kept == found.end() ? "" : *kept;
    if (kept != found.end()) found.erase(kept);
  }
  static void Add(std::vector<std::string>& found, const std::string& id) {
    if (!id.empty() && std::find(found.begin(), found.end(), id) == found.end()) found.push_back(id);
  }

  template <typename Made>
  void Emit(Made action) {
    constexpr bool kAnswered = !std::is_same_v<Made, Wait> && !std::is_same_v<Made, Settled>;
    if (kAnswered) s_.busy = true;
    actions_.push_back(std::move(action));
  }

  State& s_;
  Actions actions_;
};

}  // namespace

std::vector<Action> Step(State& state, const Event& event) { return Machine(state).Take(event); }

}  // namespace attach
}  // namespace slicelet::provider
