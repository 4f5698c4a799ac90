#include "provider/attach/attacher.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::provider {

using namespace attach;

Attacher::Attacher(Dependencies dependencies, std::string name, AttachRecord stored,
                   std::function<void()> changed)
    : to_(dependencies),
      name_(std::move(name)),
      changed_(std::move(changed)),
      shown_(stored),
      backoff_(kBackoff, dependencies.random),
      timer_(dependencies.loop) {
  state_.record = stored;
  state_.stored = std::move(stored);
}

void Attacher::Take(Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(taking_, true)) return;
  while (!events_.empty()) {
    const Event next = std::move(events_.front());
    events_.pop_front();
    for (const Action& action : Step(state_, next)) Do(action);
  }
  taking_ = false;
  if (shown_ == state_.record) return;
  if (shown_.state != state_.record.state || shown_.reason != state_.record.reason) {
    LogInfo("attachment", {{"name", name_},
                           {"state", NameOf(state_.record.state)},
                           {"reason", state_.record.reason},
                           {"why", state_.record.message}});
  }
  shown_ = state_.record;
  changed_();
}

void Attacher::Do(const Action& action) {
  const auto done = lifetime_.Guard([this](const absl::Status& status) { Take(Done{status}); });
  const auto found =
      lifetime_.Guard([this](absl::StatusOr<std::vector<std::string>> ids) { Take(Found{std::move(ids)}); });
  const auto got = lifetime_.Guard([this](absl::StatusOr<std::string> text) { Take(Got{std::move(text)}); });
  struct Visitor {
    Attacher& self;
    StatusCallback done;
    Callback<std::vector<std::string>> found;
    Callback<std::string> got;

    void operator()(const Save& a) const { self.to_.store.Save(a.record, done); }
    void operator()(const LookForIdentities&) const { self.to_.server.FindIdentities(self.name_, found); }
    void operator()(const LookForChannels&) const { self.to_.server.FindChannels(self.name_, found); }
    void operator()(const MakeIdentity&) const { self.to_.server.CreateIdentity(self.name_, got); }
    void operator()(const MakeChannel&) const { self.to_.server.CreateChannel(self.name_, got); }
    void operator()(const Connect& a) const { self.to_.server.Connect(a.identity, a.channel, done); }
    void operator()(const FetchKey& a) const { self.to_.server.FetchSecret(a.identity, got); }
    void operator()(const Verify& a) const { self.to_.server.Verify(a.identity, a.channel, a.key, done); }
    void operator()(const Disconnect& a) const { self.to_.server.Disconnect(a.identity, a.channel, done); }
    void operator()(const DeleteIdentity& a) const { self.to_.server.DeleteIdentity(a.id, done); }
    void operator()(const DeleteChannel& a) const { self.to_.server.DeleteChannel(a.id, done); }
    void operator()(const Wait& a) const {
      const Duration time = a.time == Duration::zero() ? self.backoff_.Next() : a.time;
      self.timer_.Set(time, [attacher = &self] { attacher->Take(TimePassed{}); });
    }
    void operator()(const Settled&) const {
      self.backoff_.Reset();
      self.timer_.Cancel();
    }
  };
  std::visit(Visitor{*this, done, found, got}, action);
}

}  // namespace slicelet::provider
