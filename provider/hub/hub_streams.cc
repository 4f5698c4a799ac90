// Streams between the shim and the hosts, and the ends of logs of hosts that can not be reached.
#include <utility>

#include "provider/hub/announced_stream.h"
#include "provider/hub/hub_impl.h"
#include "provider/logs/answered_log.h"

namespace slicelet::provider {
namespace {

std::string InstanceOf(const v1::WorkloadStatus& status, const std::string& container) {
  for (const auto* list : {&status.containers(), &status.init_containers()}) {
    for (const v1::ContainerStatus& one : *list) {
      if (one.name() == container) return one.container_id();
    }
  }
  return "";
}

}  // namespace

void Hub::Impl::OnStream(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
  const std::string name = head.namespace_() + "/" + head.pod();
  const Pod* pod = head.uid().empty() ? book.FindByName(NodeName(head.node()), head.namespace_(), head.pod())
                                      : book.Find(PodUid(head.uid()));
  if (pod == nullptr) return StreamJoiner::Refuse(stream, absl::NotFoundError("no host has pod " + name));
  if (head.has_logs() && head.host().empty() && pod->terms && pod->terms->all_logs)
    return LogsOfAll(*pod, head, std::move(stream));
  absl::StatusOr<HostId> chosen = HostForStream(*pod, head.host());
  if (absl::IsUnavailable(chosen.status()) && head.has_logs()) chosen = HostWithTail(*pod, head, chosen);
  if (!chosen.ok()) return StreamJoiner::Refuse(stream, chosen.status());
  const HostId& host = *chosen;
  HostSession* session = links.Find(host);
  if (session == nullptr || !session->connected()) {
    const absl::Status away = absl::UnavailableError("host " + host.value() + " is not connected");
    return head.has_logs() ? AnswerFromTail(host, *pod, head, away, std::move(stream))
                           : StreamJoiner::Refuse(stream, away);
  }
  if (head.has_logs() && head.host().empty() && pod->instances.size() > 1) {
    stream = Announce(std::move(stream), "slicelet: these are the logs of host " + host.value() +
                                             ", one of " + std::to_string(pod->instances.size()) +
                                             " that have this pod; slicectl logs --host shows another\n");
  }
  AskForStream(host, *pod, head, std::move(stream));
}

void Hub::Impl::AskForStream(const HostId& host, const Pod& pod, const v1::StreamHead& head,
                             std::shared_ptr<FrameStream> stream) {
  v1::StreamHead asked = head;
  asked.set_uid(pod.uid.value());
  // That a host is away is noticed late.
  if (head.has_logs() && tails.shelf().Find({pod.uid, host, head.container()}) != nullptr)
    stream = OrElseAnswer(d.loop, std::move(stream), [this, host, asked] { return TailFor(host, asked); });
  if (head.has_logs() && FindHost(host)->log_ranges) return log_readings.Open(host, asked, std::move(stream));
  std::optional<v1::Command> command = streams.Wait(host, asked, std::move(stream));
  if (command) SendCommand(host, *std::move(command));
}

void Hub::Impl::SendCommand(const HostId& host, v1::Command command) {
  HostSession* session = links.Find(host);
  if (session == nullptr) return;
  v1::HubMessage message;
  *message.mutable_command() = std::move(command);
  session->Send(std::move(message));
}

void Hub::Impl::LogsOfAll(const Pod& pod, const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
  if (merged_logs.size() >= kMaxMergedLogs) {
    return StreamJoiner::Refuse(
        stream, absl::ResourceExhaustedError("the hub follows too many hosts' logs, try again later"));
  }
  std::vector<HostLog> logs;
  std::vector<std::string> notes;
  for (const auto& [id, instance] : pod.instances) {
    const HostState* host = FindHost(id);
    if (host == nullptr || !host->manifest->Holds(pod.uid)) continue;
    const bool connected = links.Find(id)->connected();
    if (!connected && tails.shelf().Find({pod.uid, id, head.container()}) == nullptr) {
      notes.push_back(id.value() + " | slicelet: the host is not connected");
    } else if (logs.size() >= kMaxLogHosts) {
      notes.push_back(id.value() + " | slicelet: not shown, only " + std::to_string(kMaxLogHosts) +
                      " hosts are at one time; use slicectl logs --host " + id.value());
    } else {
      auto [ours, theirs] = MakeLocalFrameStreams(d.loop);
      logs.emplace_back(id, std::move(ours));
      if (connected) {
        AskForStream(id, pod, head, std::move(theirs));
      } else {
        AnswerFromTail(id, pod, head, absl::UnavailableError("the host is not connected"), std::move(theirs));
      }
    }
  }
  if (logs.empty()) {
    const std::string name = "pod " + pod.ns + "/" + pod.name;
    return StreamJoiner::Refuse(
        stream, notes.empty() ? absl::NotFoundError(name + " is on no host yet")
                              : absl::UnavailableError("no host that has " + name + " is connected"));
  }
  const std::uint64_t number = ++last_merged_logs;
  merged_logs[number] =
      MergeLogs(std::move(stream), std::move(logs), std::move(notes), lifetime.Guard([this, number] {
        // It is calling us.
        d.loop.Post([held = std::move(merged_logs[number])] {});
        merged_logs.erase(number);
      }));
}

void Hub::Impl::CloseStreams(const HostId& host, const absl::Status& status) {
  streams.Close(host, status);
  log_readings.Close(host, status);
}

const v1::WorkloadStatus* Hub::Impl::StatusOn(const HostId& host, const Pod& pod) const {
  const auto instance = pod.instances.find(host);
  const auto& status = instance != pod.instances.end() ? instance->second.status : pod.status;
  return status ? &*status : nullptr;
}

void Hub::Impl::LookAtLogs(const HostId& host, const Pod& pod) {
  // Without the shim's word it is not known what the pod says about its logs; and what is kept of a pod that
  // is being deleted goes in a moment.
  const v1::WorkloadStatus* status = StatusOn(host, pod);
  if (pod.workload && !pod.stop && status != nullptr)
    tails.Look(host, pod.uid, pod.workload->log_tails, *status);
}

void Hub::Impl::LookAtLogs(const Pod& pod) {
  if (pod.instances.empty() && FindHost(HostId(pod.node.value())) != nullptr)
    LookAtLogs(HostId(pod.node.value()), pod);
  for (const auto& [host, instance] : pod.instances) LookAtLogs(host, pod);
}

std::optional<std::string> Hub::Impl::TailFor(const HostId& host, const v1::StreamHead& head) {
  const auto shown = ShowTail(host, head);
  return shown.ok() ? std::optional(*shown) : std::nullopt;
}

absl::StatusOr<std::string> Hub::Impl::ShowTail(const HostId& host, const v1::StreamHead& head) {
  const PodUid uid(head.uid());
  SLICELET_ASSIGN_OR_RETURN(const HubStore::LogTail kept, tails.shelf().Read({uid, host, head.container()}));
  const Pod* pod = book.Find(uid);
  const v1::WorkloadStatus* status = pod == nullptr ? nullptr : StatusOn(host, *pod);
  return ShowLogTail(kept, host, status == nullptr ? "" : InstanceOf(*status, head.container()), head.logs(),
                     d.clock.Now());
}

void Hub::Impl::AnswerFromTail(const HostId& host, const Pod& pod, const v1::StreamHead& head,
                               const absl::Status& away, std::shared_ptr<FrameStream> stream) {
  if (tails.shelf().Find({pod.uid, host, head.container()}) == nullptr) {
    return StreamJoiner::Refuse(
        stream,
        absl::Status(away.code(), Message(away) + ", and nothing of this log was kept (see the pod's " +
                                      "annotation slicelet.io/log-tail)"));
  }
  v1::StreamHead asked = head;
  asked.set_uid(pod.uid.value());
  absl::StatusOr<std::string> shown = ShowTail(host, asked);
  if (!shown.ok()) return StreamJoiner::Refuse(stream, shown.status());
  AnswerLog(std::move(stream), *std::move(shown));
}

absl::StatusOr<HostId> Hub::Impl::HostWithTail(const Pod& pod, const v1::StreamHead& head,
                                               absl::StatusOr<HostId> otherwise) const {
  std::int64_t newest = 0;
  for (const auto& [host, instance] : pod.instances) {
    const v1::LogTailRecord* record = tails.shelf().Find({pod.uid, host, head.container()});
    if (record == nullptr) continue;
    for (const auto& kept : record->instances()) {
      if (kept.taken() <= newest) continue;
      newest = kept.taken();
      otherwise = host;
    }
  }
  return otherwise;
}

}  // namespace slicelet::provider
