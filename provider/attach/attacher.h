#pragma once

#include <deque>
#include <functional>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "provider/attach/attachment.h"
#include "provider/attach/iot_server.h"

namespace slicelet::provider {

/// Where the record of one attachment is kept.
class AttachStore {
 public:
  virtual ~AttachStore() = default;
  /// OK once it is durable. One at a time.
  virtual void Save(const AttachRecord& record, StatusCallback done) = 0;
};

/// Carries out what the state machine of one attachment asks for. Everything on the loop.
///
/// The record is how it is known to others: credentials may be given to an exporter once `state` is kAttached
/// or kDegraded, and a container with another key must be made anew. Before `Want(false)` the exporter is
/// stopped.
class Attacher {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::minutes(5)};

  struct Dependencies {
    Loop& loop;
    Random& random;
    IotServer& server;
    AttachStore& store;
  };

  /// `name` is what things and channels are called; nothing else in the world, at any time, may have it: it
  /// holds the gateway's uid and the host. `stored` is what the store holds. `changed` is called when the
  /// record differs. The dependencies must outlive it. What is under way when it is destroyed may still
  /// happen; the next one with the same name and record goes on from there.
  Attacher(Dependencies dependencies, std::string name, AttachRecord stored, std::function<void()> changed);

  /// Idempotent. Nothing happens before the first call.
  void Want(bool attached) { Take(attach::Wanted{attached}); }
  /// When nothing is wanted of the server any more: it is asked once more, and what it does not take back is
  /// forgotten. Idempotent.
  void GiveUp() { Take(attach::GivenUp{}); }
  /// Whether the exporter can publish, as the host says.
  void Report(absl::Status exporter) { Take(attach::ExporterReported{std::move(exporter)}); }

  [[nodiscard]] const AttachRecord& record() const { return state_.record; }
  /// What is wanted is so, as far as anybody knows, and nothing is under way.
  [[nodiscard]] bool settled() const {
    return !state_.busy && (state_.stage == attach::Stage::kIdle || state_.stage == attach::Stage::kWatch);
  }

 private:
  void Take(attach::Event event);
  void Do(const attach::Action& action);

  Dependencies to_;
  const std::string name_;
  const std::function<void()> changed_;
  attach::State state_;
  AttachRecord shown_;
  Backoff backoff_;
  Timer timer_;
  /// What came while another event was taken.
  std::deque<attach::Event> events_;
  bool taking_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
