#include "provider/logs/log_tails.h"

#include <algorithm>
#include <vector>

#include "common/log/log.h"

namespace slicelet::provider {
namespace {

constexpr char kFeature[] = "log-tails";
constexpr int kIdBytes = 16;

bool Reads(const v1::LogTailRule& rule) { return rule.at_exit() || rule.every_ms() > 0; }

bool HoldsEnd(const v1::LogTailRecord& record, const std::string& container_id) {
  const auto* kept = FindInstance(record, container_id);
  return kept != nullptr && kept->ended();
}

}  // namespace

LogTails::LogTails(const Options& options, Loop& loop, Clock& clock, Random& random, HubStore& store,
                   Send send)
    : options_(options),
      loop_(loop),
      clock_(clock),
      random_(random),
      store_(store),
      send_(std::move(send)),
      shelf_(store, options.limit) {}

LogTails::Host& LogTails::Ensure(const HostId& id) {
  std::unique_ptr<Host>& host = hosts_[id];
  if (!host) host = std::make_unique<Host>(loop_);
  return *host;
}

void LogTails::OnConnected(const HostId& id, const v1::Birth& birth) {
  OnDisconnected(id);
  Host& host = Ensure(id);
  const bool can =
      std::find(birth.features().begin(), birth.features().end(), kFeature) != birth.features().end();
  host.connected = can && options_.limit > 0;
  host.rule = birth.has_log_tails() ? birth.log_tails() : options_.rule;
  Go(id);
}

void LogTails::OnDisconnected(const HostId& id) {
  const auto it = hosts_.find(id);
  if (it == hosts_.end()) return;
  it->second->connected = false;
  it->second->timer.Cancel();
  if (it->second->reading) End(id, *it->second, Duration::zero());
}

void LogTails::Look(const HostId& id, const PodUid& uid, const std::optional<v1::LogTailRule>& pod_rule,
                    const v1::WorkloadStatus& status) {
  Host& host = Ensure(id);
  const v1::LogTailRule& rule = pod_rule ? *pod_rule : host.rule;
  for (const auto* list : {&status.init_containers(), &status.containers()}) {
    for (const v1::ContainerStatus& container : *list)
      LookAt(id, host, {uid, container.name()}, container, rule);
  }
  if (!host.reading) Go(id);
}

void LogTails::LookAt(const HostId& id, Host& host, const Name& name, const v1::ContainerStatus& status,
                      const v1::LogTailRule& rule) {
  if (!Reads(rule)) {
    host.containers.erase(name);
    return;
  }
  if (host.containers.size() >= kMaxContainers && host.containers.count(name) == 0) return;
  const auto [it, first] = host.containers.try_emplace(name);
  Container& container = it->second;
  const auto& last = status.state().has_terminated() ? status.state() : status.last_state();
  const std::string running = status.state().has_running() ? status.container_id() : "";
  container.every = std::chrono::milliseconds(rule.every_ms());
  const std::string ended = last.terminated().container_id();
  if (first) {
    // What the hub has kept over a restart of its own is not read again at once.
    const v1::LogTailRecord* record = shelf_.Find({name.first, id, name.second});
    container.next_reading = loop_.Now() + (record != nullptr ? container.every : kDelay);
    if (record != nullptr && HoldsEnd(*record, ended)) container.read_end = ended;
  }
  if (!first && container.ended != ended)
    container.not_before = std::max(container.not_before, loop_.Now() + kDelay);
  if (first) container.not_before = loop_.Now() + kDelay;
  container.ended = ended;
  container.running = running;
}

std::optional<LogTails::Task> LogTails::NextTask(const HostId& id, const Host& host) const {
  std::optional<Task> next;
  const auto offer = [&next](Task task) {
    if (!next || task.due < next->due) next = std::move(task);
  };
  for (const auto& [name, container] : host.containers) {
    const v1::LogTailRecord* record = shelf_.Find({name.first, id, name.second});
    const bool read =
        container.ended == container.read_end || (record != nullptr && HoldsEnd(*record, container.ended));
    if (!container.ended.empty() && !read) {
      offer({name, container.ended, true, container.not_before});
    } else if (!container.running.empty() && container.every > Duration::zero()) {
      offer({name, container.running, false, std::max(container.not_before, container.next_reading)});
    }
  }
  return next;
}

void LogTails::Go(const HostId& id) {
  Host& host = *hosts_.at(id);
  if (host.reading || !host.connected) return;
  const std::optional<Task> task = NextTask(id, host);
  if (!task) return host.timer.Cancel();
  const Duration wait = task->due - loop_.Now();
  if (wait > Duration::zero()) return host.timer.Set(wait, [this, id] { Go(id); });
  if (readings_ >= kMaxHostsAtOnce) {
    if (std::find(waiting_.begin(), waiting_.end(), id) == waiting_.end()) waiting_.push_back(id);
    return;
  }
  Begin(id, host, *task);
}

void LogTails::Begin(const HostId& id, Host& host, const Task& task) {
  ++readings_;
  host.reading = Reading();
  Reading& reading = *host.reading;
  reading.number = ++last_reading_;
  reading.task = task;
  reading.read.container_id = task.container_id;
  reading.read.ended = task.ended;
  const v1::LogTailRecord* record = shelf_.Find({task.name.first, id, task.name.second});
  const auto* kept = record == nullptr ? nullptr : FindInstance(*record, task.container_id);
  if (kept != nullptr) reading.after = kept->through();
  reading.read.continues = reading.after != 0;
  Ask(id, host);
}

void LogTails::Ask(const HostId& id, Host& host) {
  Reading& reading = *host.reading;
  reading.request_id = random_.Hex(kIdBytes);
  v1::Command command;
  command.set_request_id(reading.request_id);
  command.set_expires(ToUnixNanos(clock_.Now() + kAnswerWithin));
  v1::LogTailWanted& wanted = *command.mutable_log_tail();
  wanted.set_uid(reading.task.name.first.value());
  wanted.set_container(reading.task.name.second);
  wanted.set_container_id(reading.task.container_id);
  wanted.set_after(reading.after);
  wanted.set_limit(kMaxLogTail);
  host.timer.Set(kAnswerWithin, [this, id] { Late(id); });
  send_(id, std::move(command));
}

void LogTails::Late(const HostId& id) {
  Host& host = *hosts_.at(id);
  if (++host.reading->attempts < kMaxAttempts) return Ask(id, host);
  LogWarning("host does not answer about the end of a log",
             {{"host", id}, {"uid", host.reading->task.name.first}});
  End(id, host, kPauseAfterFailure);
}

void LogTails::OnReply(const HostId& id, const v1::Reply& reply) {
  const auto it = hosts_.find(id);
  if (it == hosts_.end() || !it->second->reading) return;
  Host& host = *it->second;
  Reading& reading = *host.reading;
  // Said twice, or late.
  if (reading.request_id.empty() || reply.request_id() != reading.request_id) return;
  reading.request_id.clear();
  reading.attempts = 0;
  if (reply.code() != 0) {
    LogDebug("end of a log not read",
             {{"host", id}, {"uid", reading.task.name.first}, {"why", reply.message()}});
    // Nothing of it is left on the host, nor will be: what is kept stays.
    const bool gone = reply.code() == static_cast<int>(absl::StatusCode::kNotFound) && reading.task.ended;
    if (!gone) return End(id, host, kPauseAfterFailure);
    reading.read.continues = reading.read.continues || reading.read.lines.empty();
    return Done(id, host);
  }
  const v1::LogTail& piece = reply.log_tail();
  std::int64_t through = 0;
  const std::string lines = LogLinesOf(piece.lines(), through);
  if (reading.after != 0 && !piece.continues()) {
    reading.read.continues = false;
    reading.read.lines.clear();
  }
  reading.read.lines += lines;
  if (through != 0) reading.read.through = reading.after = through;
  if (piece.more() && through != 0 && ++reading.pieces < kMaxPieces) return Ask(id, host);
  Done(id, host);
}

void LogTails::Done(const HostId& id, Host& host) {
  host.timer.Cancel();
  host.reading->read.taken = ToUnixNanos(clock_.Now());
  if (!Keep(id, *host.reading)) End(id, host, kPause);
}

bool LogTails::Keep(const HostId& id, Reading& reading) {
  const HubStore::LogTailKey key{reading.task.name.first, id, reading.task.name.second};
  const v1::LogTailRecord* record = shelf_.Find(key);
  const auto* kept = record == nullptr ? nullptr : FindInstance(*record, reading.task.container_id);
  if (kept != nullptr && reading.read.continues && reading.read.lines.empty() && !reading.task.ended) {
    shelf_.SetTaken(key, reading.task.container_id, reading.read.taken);
    return false;
  }
  absl::StatusOr<HubStore::LogTail> tail = shelf_.Read(key);
  if (!tail.ok()) tail.emplace();
  // What was read follows what was kept then; the store may have refused that since.
  const auto* stored = FindInstance(tail->record, reading.task.container_id);
  if (kept != nullptr && (stored == nullptr || stored->through() != kept->through()))
    reading.read.continues = false;
  AddToLogTail(*tail, reading.read);
  HubStore::Batch batch;
  shelf_.Put(key, *std::move(tail), batch);
  std::vector<HubStore::LogTailKey> keys;
  keys.reserve(batch.log_tails.size());
  for (const auto& [written, content] : batch.log_tails) keys.push_back(written);
  store_.Commit(std::move(batch), lifetime_.Guard([this, id, keys = std::move(keys), task = reading.task,
                                                   number = reading.number](const absl::Status& status) {
    if (!status.ok()) {
      LogError("end of a log not stored", {{"host", id}, {"why", Describe(status)}});
      shelf_.Reload(keys);
    }
    const auto it = hosts_.find(id);
    if (it == hosts_.end()) return;
    Host& host = *it->second;
    // Also when the host has broken off meanwhile.
    const auto container = host.containers.find(task.name);
    if (status.ok() && task.ended && container != host.containers.end())
      container->second.read_end = task.container_id;
    if (host.reading && host.reading->number == number)
      End(id, host, status.ok() ? kPause : kPauseAfterFailure);
  }));
  return true;
}

void LogTails::End(const HostId& id, Host& host, Duration pause) {
  const auto container = host.containers.find(host.reading->task.name);
  if (container != host.containers.end()) {
    const MonotonicTime now = loop_.Now();
    container->second.not_before = std::max(container->second.not_before, now + pause);
    if (pause > Duration::zero()) container->second.next_reading = now + container->second.every;
  }
  host.reading.reset();
  host.timer.Cancel();
  --readings_;
  if (host.connected) Go(id);
  while (!waiting_.empty() && readings_ < kMaxHostsAtOnce) {
    const HostId next = waiting_.front();
    waiting_.pop_front();
    if (hosts_.count(next) != 0) Go(next);
  }
}

void LogTails::Forget(const HostId& id) {
  OnDisconnected(id);
  hosts_.erase(id);
}

void LogTails::Forget(const PodUid& uid, const HostId& id, HubStore::Batch& batch) {
  shelf_.Drop(uid, id, batch);
  const auto it = hosts_.find(id);
  if (it == hosts_.end()) return;
  Host& host = *it->second;
  std::erase_if(host.containers, [&uid](const auto& entry) { return entry.first.first == uid; });
  if (host.reading && host.reading->task.name.first == uid) End(id, host, Duration::zero());
}

}  // namespace slicelet::provider
