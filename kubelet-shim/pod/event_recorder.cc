#include "kubelet-shim/pod/event_recorder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log/log.h"

namespace slicelet::shim {

EventRecorder::EventRecorder(Loop& loop, Clock& clock, Random& random, std::shared_ptr<kube::KubeApi> api,
                             std::string host)
    : loop_(loop),
      clock_(clock),
      random_(random),
      api_(std::move(api)),
      host_(std::move(host)),
      backoff_({.base = std::chrono::seconds(1), .cap = std::chrono::seconds(30)}, random),
      retry_(loop) {}

bool EventRecorder::Spend(const std::string& object) {
  const MonotonicTime now = loop_.Now();
  if (budgets_.size() >= kMaxRemembered && budgets_.count(object) == 0) {
    budgets_.erase(std::min_element(budgets_.begin(), budgets_.end(), [](const auto& a, const auto& b) {
      return a.second.updated < b.second.updated;
    }));
  }
  auto [it, fresh] = budgets_.try_emplace(object);
  Budget& budget = it->second;
  if (!fresh) {
    const double refilled =
        std::chrono::duration<double>(now - budget.updated) / std::chrono::duration<double>(kRefill);
    budget.tokens = std::min<double>(kBurst, budget.tokens + refilled);
  }
  budget.updated = now;
  if (budget.tokens < 1) return false;
  budget.tokens -= 1;
  return true;
}

void EventRecorder::Record(const EventSubject& subject, bool warning, const std::string& reason,
                           const std::string& message) {
  const std::string object = subject.kind + "/" + subject.ns + "/" + subject.name + "/" + subject.uid;
  if (!Spend(object)) {
    ++dropped_;
    return;
  }
  const Key key{object, subject.field_path, warning, reason, message.substr(0, kMaxMessage)};
  const auto [it, fresh] = entries_.try_emplace(key);
  Entry& entry = it->second;
  if (fresh) {
    entry.subject = subject;
    entry.first = FormatTime(clock_.Now());
    order_.push_back(key);
    while (order_.size() > kMaxRemembered) {
      entries_.erase(order_.front());
      order_.pop_front();
    }
  }
  ++entry.count;
  entry.last = FormatTime(clock_.Now());
  Enqueue(key, entry);
}

void EventRecorder::Enqueue(const Key& key, Entry& entry) {
  if (!std::exchange(entry.queued, true)) queue_.push_back(key);
  WriteNext();
}

void EventRecorder::WriteNext() {
  if (writing_ || retry_.armed()) return;
  while (!queue_.empty() && entries_.count(queue_.front()) == 0) queue_.pop_front();
  if (queue_.empty()) return;
  const Key key = queue_.front();
  queue_.pop_front();
  Entry& entry = entries_.at(key);
  entry.queued = false;
  writing_ = true;
  if (!entry.created) {
    // The same name when it is tried again: an answer that was lost does not make two of it.
    if (entry.name.empty()) entry.name = entry.subject.name + "." + random_.Hex(8);
    Create(key, entry);
    return;
  }
  const std::string ns = entry.subject.ns.empty() ? "default" : entry.subject.ns;
  const kube::Json patch = {{"count", entry.count}, {"lastTimestamp", entry.last}};
  api_->Patch({kube::kEvents, ns, entry.name, ""}, kube::PatchType::kMerge, patch,
              lifetime_.Guard([this, key](const absl::StatusOr<kube::Json>& result) {
                OnWritten(key, result.status());
              }));
}

void EventRecorder::Create(const Key& key, const Entry& entry) {
  const EventSubject& subject = entry.subject;
  const std::string ns = subject.ns.empty() ? "default" : subject.ns;
  kube::Json involved = {
      {"kind", subject.kind}, {"apiVersion", "v1"}, {"name", subject.name}, {"uid", subject.uid}};
  if (!subject.ns.empty()) involved["namespace"] = subject.ns;
  if (!subject.field_path.empty()) involved["fieldPath"] = subject.field_path;
  const kube::Json event = {{"apiVersion", "v1"},
                            {"kind", "Event"},
                            {"metadata", {{"name", entry.name}, {"namespace", ns}}},
                            {"involvedObject", std::move(involved)},
                            {"type", std::get<2>(key) ? "Warning" : "Normal"},
                            {"reason", std::get<3>(key)},
                            {"message", std::get<4>(key)},
                            {"source", {{"component", "slicelet-shim"}, {"host", host_}}},
                            {"reportingComponent", "slicelet-shim"},
                            {"reportingInstance", host_},
                            {"firstTimestamp", entry.first},
                            {"lastTimestamp", entry.last},
                            {"count", entry.count}};
  api_->Create({kube::kEvents, ns, "", ""}, event,
               lifetime_.Guard([this, key](const absl::StatusOr<kube::Json>& result) {
                 OnWritten(key, result.status());
               }));
}

void EventRecorder::OnWritten(const Key& key, const absl::Status& status) {
  writing_ = false;
  const auto it = entries_.find(key);
  if (it == entries_.end()) return WriteNext();
  Entry& entry = it->second;
  const bool away =
      absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
  if (away && ++entry.attempts < kMaxAttempts) {
    if (!std::exchange(entry.queued, true)) queue_.push_front(key);
    retry_.Set(backoff_.Next(), [this] { WriteNext(); });
    return;
  }
  backoff_.Reset();
  entry.attempts = 0;
  if (absl::IsNotFound(status) && entry.created) {
    // The API server forgets Events after an hour: begin a new one.
    entry.created = false;
    entry.name.clear();
    entry.count = 1;
    entry.first = entry.last;
    return Enqueue(key, entry);
  }
  if (status.ok() || (absl::IsAlreadyExists(status) && !entry.created)) {
    entry.created = true;
  } else {
    LogDebug("event not written",
             {{"pod", entry.subject.name}, {"reason", std::get<3>(key)}, {"error", Describe(status)}});
  }
  WriteNext();
}

}  // namespace slicelet::shim
