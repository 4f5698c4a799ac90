#include "provider/hub/stream_joiner.h"

#include <utility>
#include <vector>

#include "common/log/log.h"

namespace slicelet::provider {
namespace {

constexpr int kRequestIdBytes = 16;

}  // namespace

void StreamJoiner::Refuse(const std::shared_ptr<FrameStream>& stream, const absl::Status& status) {
  v1::StreamFrame frame;
  frame.mutable_reply()->set_code(static_cast<int>(status.code()));
  frame.mutable_reply()->set_message(Message(status));
  // The stream lives until its answer is written.
  stream->Write(std::move(frame), [stream](const absl::Status&) { stream->Finish(absl::OkStatus()); });
}

std::optional<v1::Command> StreamJoiner::Wait(const HostId& host, const v1::StreamHead& head,
                                              std::shared_ptr<FrameStream> stream) {
  if (waiting_.size() >= kMaxWaiting || joined_.size() >= kMaxJoined) {
    Refuse(stream, absl::ResourceExhaustedError("the hub serves too many streams, try again later"));
    return std::nullopt;
  }
  v1::Command command;
  command.set_request_id(random_.Hex(kRequestIdBytes));
  command.set_expires(ToUnixNanos(clock_.Now() + kDialTimeout));
  *command.mutable_open_tunnel() = head;
  Waiting& waiting = waiting_[command.request_id()];
  waiting.host = host;
  waiting.stream = std::move(stream);
  waiting.timeout = std::make_unique<Timer>(loop_);
  waiting.timeout->Set(kDialTimeout, [this, host, id = command.request_id()] {
    OnFailure(host, id,
              absl::DeadlineExceededError("host " + host.value() + " did not open the stream in time"));
  });
  return command;
}

void StreamJoiner::OnTunnel(const HostId& host, const std::string& request_id,
                            std::shared_ptr<FrameStream> tunnel) {
  const auto it = waiting_.find(request_id);
  if (it == waiting_.end() || it->second.host != host) {
    LogWarning("tunnel refused: nobody asked for it", {{"host", host}});
    tunnel->Finish(absl::NotFoundError("no such request"));
    loop_.Post([tunnel] {});
    return;
  }
  std::shared_ptr<FrameStream> stream = std::move(it->second.stream);
  waiting_.erase(it);
  Joined& joined = joined_[request_id];
  joined.host = host;
  joined.splice = Splice(std::move(stream), std::move(tunnel),
                         lifetime_.Guard([this, request_id](const absl::Status& status) {
                           LogDebug("stream ended", {{"request", request_id}, {"status", Describe(status)}});
                           // It is calling us.
                           const auto ended = joined_.find(request_id);
                           if (ended == joined_.end()) return;
                           loop_.Post([splice = std::move(ended->second.splice)] {});
                           joined_.erase(ended);
                         }));
}

void StreamJoiner::OnFailure(const HostId& host, const std::string& request_id, const absl::Status& status) {
  const auto it = waiting_.find(request_id);
  if (it == waiting_.end() || it->second.host != host) return;
  const std::shared_ptr<FrameStream> stream = std::move(it->second.stream);
  waiting_.erase(it);
  Refuse(stream, status);
}

void StreamJoiner::Close(const HostId& host, const absl::Status& status) {
  std::vector<std::string> ids;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.host == host) ids.push_back(id);
  }
  for (const std::string& id : ids) OnFailure(host, id, status);
  std::erase_if(joined_, [&host](const auto& entry) { return entry.second.host == host; });
}

}  // namespace slicelet::provider
