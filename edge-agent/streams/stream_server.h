#pragma once

#include <memory>

#include "common/base/time.h"
#include "common/loop/asio_loop.h"
#include "common/stream/frame_stream.h"
#include "edge-agent/pod/pod_supervisor.h"
#include "edge-agent/runtime/container_runtime.h"
#include "slicelet/v1/link.pb.h"

namespace slicelet::agent {

/// Serves the streams the hub asks for: logs from the log files, exec, attach and port-forward by asking the
/// runtime for a URL and passing the bytes of its streaming server on, from the status line of its answer.
/// What is spoken inside (SPDY, WebSocket) is between kubectl and the runtime. Used on the loop.
class StreamServer {
 public:
  /// All must outlive this object; streams that are open when it goes are cut.
  StreamServer(AsioLoop& loop, const Clock& clock, ContainerRuntime& runtime);
  ~StreamServer();

  /// For HostAgent::Dependencies::serve_stream.
  void Serve(const v1::StreamHead& head, std::shared_ptr<FrameStream> stream, const PodSupervisor& pods);

  /// For HostAgent::Dependencies::read_log_tail. NotFound when the host has nothing of that instance any
  /// more.
  static absl::StatusOr<v1::LogTail> ReadTail(const v1::LogTailWanted& wanted, const PodSupervisor& pods);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slicelet::agent
