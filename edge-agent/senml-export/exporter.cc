#include "edge-agent/senml-export/exporter.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::senml {
namespace {

/// No id of the outbox's.
constexpr std::uint64_t kTestId = 0;

}  // namespace

Exporter::Exporter(Loop& loop, Random& random, Outbox& outbox, MqttDialer& server, Options options)
    : outbox_(outbox),
      server_(server),
      options_(std::move(options)),
      backoff_(kBackoff, random),
      retry_(loop),
      overdue_(loop),
      aside_over_(loop) {}

void Exporter::Start() { Connect(); }

void Exporter::Wake() { Pump(); }

Exporter::State Exporter::state() const {
  if (connected_) return State::kSending;
  if (refused_) return State::kRefused;
  return connection_ != nullptr ? State::kConnecting : State::kWaiting;
}

std::string Exporter::why() const {
  if (taken_any_) return "";
  if (!connected_ || refused_) return why_.empty() ? "not connected to the server yet" : why_;
  return "connected to the server, which has not acknowledged anything yet" +
         (why_.empty() ? "" : "; before that: " + why_);
}

void Exporter::Connect() {
  sent_up_to_ = 0;
  under_way_.clear();
  one_by_one_ = false;
  // Nothing is subscribed, so the server has nothing to keep for us.
  MqttConnection::Options options{.client_id = options_.client_id, .session_expiry = Duration::zero()};
  connection_ = server_.Connect(std::move(options),
                                {.on_connected =
                                     [this] {
                                       connected_ = true;
                                       LogInfo("connected to the server");
                                       Pump();
                                     },
                                 .on_taken = [this](std::uint64_t id) { OnTaken(id); },
                                 .on_closed = [this](const absl::Status& why) { OnClosed(Message(why)); }});
}

void Exporter::Pump() {
  if (!connected_) return;
  // One that is tried by itself goes first: those before it would be passed over.
  if (aside_due_ && under_way_.empty() && suspect_.connections < kSuspicious) {
    aside_due_ = false;
    aside_.clear();
    sent_up_to_ = 0;
  }
  while (!TryTheSuspect() && under_way_.size() < kWindow) {
    const auto items = outbox_.After(sent_up_to_, one_by_one_ ? 1 : kWindow - under_way_.size());
    if (!items.ok()) return Disconnect(Message(items.status()));
    if (items->empty() || !PublishAll(*items)) break;
  }
  if (!connected_) return;
  if (under_way_.empty() && !taken_any_) {
    const absl::Status sent = Publish(kTestId, kTestPack);
    if (!sent.ok()) return Disconnect(Message(sent));
  }
  if (under_way_.empty()) {
    overdue_.Cancel();
  } else if (!overdue_.armed()) {
    overdue_.Set(kAnswerTime, [this] { Disconnect("the server did not answer a message in time"); });
  }
}

bool Exporter::PublishAll(const std::vector<Outbox::Item>& items) {
  for (const auto& item : items) {
    if (aside_.count(item.id) != 0) {
      sent_up_to_ = item.id;
      continue;
    }
    const absl::Status sent = Publish(item.id, item.pack);
    // The answers to what is under way make room, and pump again.
    if (absl::IsResourceExhausted(sent) && !under_way_.empty()) {
      one_by_one_ = true;
      return false;
    }
    if (!sent.ok()) {
      Disconnect(Message(sent));
      return false;
    }
    sent_up_to_ = item.id;
  }
  return true;
}

bool Exporter::TryTheSuspect() {
  if (suspect_.connections < kSuspicious) return false;
  // The test that follows shows whether the server takes anything at all.
  if (!taken_any_ || !under_way_.empty()) return true;
  const auto items = outbox_.After(suspect_.id - 1, 1);
  if (items.ok() && !items->empty() && items->front().id == suspect_.id) {
    PublishAll(*items);
    return true;
  }
  // It was dropped meanwhile. (An outbox that can not be read says so to the caller.)
  suspect_ = {};
  return false;
}

void Exporter::Blame(const std::string& why) {
  if (under_way_.empty() || *under_way_.begin() == kTestId) return;
  const std::uint64_t id = *under_way_.begin();
  if (suspect_.id != id) suspect_ = {.id = id};
  const bool alone = suspect_.connections >= kSuspicious && taken_any_;
  ++suspect_.connections;
  if (alone && ++suspect_.alone == kTries) SetAside(id, why);
}

void Exporter::SetAside(std::uint64_t id, const std::string& why) {
  suspect_ = {};
  aside_.insert(id);
  LogWarning("a pack that the server does not take is set aside", {{"pack", id}, {"why", why}});
  if (aside_over_.armed()) return;
  aside_over_.Set(kAsideTime, [this] {
    aside_due_ = true;
    Pump();
  });
}

absl::Status Exporter::Publish(std::uint64_t id, const std::string& pack) {
  SLICELET_RETURN_IF_ERROR(connection_->Publish({.topic = options_.topic, .payload = pack, .id = id}));
  under_way_.insert(id);
  return absl::OkStatus();
}

void Exporter::OnTaken(std::uint64_t id) {
  if (under_way_.erase(id) == 0) return;
  if (id != kTestId) {
    const absl::Status removed = outbox_.Remove(id);
    if (!removed.ok())
      LogWarning("a pack stays in the outbox and is sent again", {{"why", Message(removed)}});
    ++counts_.published;
    if (id == suspect_.id) suspect_ = {};
  }
  taken_any_ = true;
  refused_ = false;
  why_.clear();
  backoff_.Reset();
  overdue_.Cancel();
  Pump();
}

void Exporter::OnClosed(const std::string& why) {
  Blame(why);
  const bool refused = connected_ && !under_way_.empty() && !taken_any_;
  Disconnect(refused ? "the server hung up on " + options_.topic + " and took nothing (" + why +
                           "): the thing is not connected to the channel, is gone, or has another key"
                     : why);
  // One that is not there at all says nothing about the thing.
  refused_ = refused;
}

void Exporter::Disconnect(const std::string& why) {
  connection_.reset();
  connected_ = false;
  taken_any_ = false;
  overdue_.Cancel();
  ++counts_.broken;
  // Said once for every reason, not for every attempt.
  if (why != why_) LogWarning("not connected to the server", {{"why", why}});
  why_ = why;
  retry_.Set(backoff_.Next(), [this] { Connect(); });
}

}  // namespace slicelet::senml
