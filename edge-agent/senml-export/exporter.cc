#include "edge-agent/senml-export/exporter.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::senml {

Exporter::Exporter(Loop& loop, Random& random, Outbox& outbox, MqttDialer& server, Options options)
    : outbox_(outbox),
      server_(server),
      options_(std::move(options)),
      backoff_(kBackoff, random),
      retry_(loop),
      overdue_(loop) {}

void Exporter::Start() { Connect(); }

void Exporter::Wake() { Pump(); }

Exporter::State Exporter::state() const {
  if (connected_) return State::kSending;
  if (refused_) return State::kRefused;
  return connection_ != nullptr ? State::kConnecting : State::kWaiting;
}

void Exporter::Connect() {
  sent_up_to_ = 0;
  under_way_.clear();
  taken_any_ = false;
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
  while (under_way_.size() < kWindow) {
    const auto items = outbox_.After(sent_up_to_, kWindow - under_way_.size());
    if (!items.ok()) return Disconnect(Message(items.status()));
    if (items->empty()) break;
    for (const auto& item : *items) {
      const absl::Status sent =
          connection_->Publish({.topic = options_.topic, .payload = item.pack, .id = item.id});
      if (!sent.ok()) return Disconnect(Message(sent));
      sent_up_to_ = item.id;
      under_way_.insert(item.id);
    }
  }
  if (under_way_.empty()) {
    // All that there is was taken; whether the server refuses us is known when there is more.
    if (!refused_) why_.clear();
    overdue_.Cancel();
  } else if (!overdue_.armed()) {
    overdue_.Set(kAnswerTime, [this] { Disconnect("the server did not answer a message in time"); });
  }
}

void Exporter::OnTaken(std::uint64_t id) {
  if (under_way_.erase(id) == 0) return;
  const absl::Status removed = outbox_.Remove(id);
  if (!removed.ok()) LogWarning("a pack stays in the outbox and is sent again", {{"why", Message(removed)}});
  ++counts_.published;
  taken_any_ = true;
  refused_ = false;
  why_.clear();
  backoff_.Reset();
  overdue_.Cancel();
  Pump();
}

void Exporter::OnClosed(const std::string& why) {
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
  overdue_.Cancel();
  ++counts_.broken;
  // Said once for every reason, not for every attempt.
  if (why != why_) LogWarning("not connected to the server", {{"why", why}});
  why_ = why;
  retry_.Set(backoff_.Next(), [this] { Connect(); });
}

}  // namespace slicelet::senml
