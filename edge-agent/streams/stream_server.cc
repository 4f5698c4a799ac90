#include "edge-agent/streams/stream_server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/log/log.h"
#include "edge-agent/logs/log_stream.h"
#include "edge-agent/logs/log_tail.h"
#include "edge-agent/logs/log_watcher.h"
#include "edge-agent/streams/relay.h"
#include "edge-agent/streams/upgrade_request.h"

namespace slicelet::agent {

struct StreamServer::Impl {
  Impl(AsioLoop& the_loop, const Clock& the_clock, ContainerRuntime& the_runtime)
      : loop(the_loop), clock(the_clock), runtime(the_runtime), watcher(MakeLogWatcher(the_loop)) {}

  void Logs(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream, const PodSupervisor& pods) {
    auto locate = [&pods, uid = PodUid(head.uid()), container = head.container(),
                   previous = head.logs().previous()]() -> absl::StatusOr<LogSource> {
      SLICELET_ASSIGN_OR_RETURN(auto location, pods.Locate(uid, container));
      if (!previous) return LogSource{std::move(location.logs), location.running};
      if (location.previous_logs.empty()) {
        return absl::NotFoundError("previous terminated container \"" + container + "\" not found");
      }
      return LogSource{std::move(location.previous_logs), false};
    };
    ServeLogs(loop, clock, *watcher, head.logs(), std::move(locate), std::move(stream));
  }

  /// Asks the runtime for a URL with `ask`, then passes bytes.
  void Upgrade(const v1::UpgradeTarget& target, std::shared_ptr<FrameStream> stream,
               const std::function<void(Callback<std::string>)>& ask) {
    ask(lifetime.Guard([this, target, stream = std::move(stream)](const absl::StatusOr<std::string>& url) {
      if (!url.ok()) return ReplyAndFinish(url.status(), stream);
      const auto parsed = ParseStreamingUrl(*url);
      if (!parsed.ok()) return ReplyAndFinish(parsed.status(), stream);
      auto request = MakeUpgradeRequest(*parsed, target);
      if (!request.ok()) return ReplyAndFinish(request.status(), stream);
      Relay(loop, *parsed, *std::move(request), stream);
    }));
  }

  void Process(const v1::StreamHead& head, const v1::UpgradeTarget& target,
               std::shared_ptr<FrameStream> stream, const PodSupervisor& pods) {
    const auto location = pods.Locate(PodUid(head.uid()), head.container());
    if (!location.ok()) return ReplyAndFinish(location.status(), std::move(stream));
    if (!location->running) {
      return ReplyAndFinish(absl::FailedPreconditionError("container \"" + head.container() + "\" of pod " +
                                                          head.pod() + " is not running"),
                            std::move(stream));
    }
    ExecOptions options;
    options.container_id = location->container_id;
    options.command = {target.command().begin(), target.command().end()};
    options.stdin_open = target.stdin();
    options.out = target.stdout();
    // With a terminal there is one output; the runtime refuses both.
    options.err = target.stderr() && !target.tty();
    options.tty = target.tty();
    const bool exec = head.has_exec();
    Upgrade(target, std::move(stream), [this, exec, options](Callback<std::string> done) {
      if (exec)
        runtime.ExecUrl(options, std::move(done));
      else
        runtime.AttachUrl(options, std::move(done));
    });
  }

  void PortForward(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream,
                   const PodSupervisor& pods) {
    const PodUid uid(head.uid());
    // Any container of the pod leads to its sandbox.
    std::string container = head.container();
    if (const auto* status = pods.FindStatus(uid);
        container.empty() && status != nullptr && status->containers_size() > 0) {
      container = status->containers(0).name();
    }
    const auto location = pods.Locate(uid, container);
    if (!location.ok()) return ReplyAndFinish(location.status(), std::move(stream));
    const std::vector<std::int32_t> ports(head.port_forward().ports().begin(),
                                          head.port_forward().ports().end());
    Upgrade(head.port_forward(), std::move(stream),
            [this, id = location->sandbox_id, ports](Callback<std::string> done) {
              runtime.PortForwardUrl(id, ports, std::move(done));
            });
  }

  AsioLoop& loop;
  const Clock& clock;
  ContainerRuntime& runtime;
  std::unique_ptr<LogWatcher> watcher;
  Lifetime lifetime;
};

StreamServer::StreamServer(AsioLoop& loop, const Clock& clock, ContainerRuntime& runtime)
    : impl_(std::make_unique<Impl>(loop, clock, runtime)) {}
StreamServer::~StreamServer() = default;

void StreamServer::Serve(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream,
                         const PodSupervisor& pods) {
  LogDebug("serving a stream", {{"uid", head.uid()}, {"container", head.container()}});
  switch (head.target_case()) {
    case v1::StreamHead::kLogs:
      return impl_->Logs(head, std::move(stream), pods);
    case v1::StreamHead::kExec:
      return impl_->Process(head, head.exec(), std::move(stream), pods);
    case v1::StreamHead::kAttach:
      return impl_->Process(head, head.attach(), std::move(stream), pods);
    case v1::StreamHead::kPortForward:
      return impl_->PortForward(head, std::move(stream), pods);
    case v1::StreamHead::TARGET_NOT_SET:
      return ReplyAndFinish(absl::UnimplementedError("this agent does not know such streams"),
                            std::move(stream));
  }
}

absl::StatusOr<v1::LogTail> StreamServer::ReadTail(const v1::LogTailWanted& wanted,
                                                   const PodSupervisor& pods) {
  SLICELET_ASSIGN_OR_RETURN(const auto location, pods.Locate(PodUid(wanted.uid()), wanted.container()));
  if (const v1::WorkloadStatus* status = pods.FindStatus(PodUid(wanted.uid()))) {
    for (const auto* list : {&status->init_containers(), &status->containers()}) {
      for (const v1::ContainerStatus& container : *list) {
        if (container.name() != wanted.container()) continue;
        const auto* files =
            FilesOfInstance(container, wanted.container_id(), location.logs, location.previous_logs);
        const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(0, wanted.limit()));
        if (files != nullptr) return ReadLogTail(*files, wanted.after(), limit);
      }
    }
  }
  return absl::NotFoundError("of instance " + wanted.container_id() + " of container \"" +
                             wanted.container() + "\" no log is left");
}

}  // namespace slicelet::agent
