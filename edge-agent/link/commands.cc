#include "edge-agent/link/commands.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet::agent {
namespace {

/// Request ids that are remembered against duplicates.
constexpr std::size_t kRemembered = 1'024;

}  // namespace

void Commands::Refuse(const std::string& request_id, const absl::Status& status) {
  v1::Reply reply;
  reply.set_request_id(request_id);
  reply.set_code(static_cast<int>(status.code()));
  reply.set_message(Message(status));
  answer_(reply);
}

void Commands::Run(const v1::Command& command, std::int64_t hub_now,
                   const std::optional<v1::SignedManifest>& held) {
  const auto& id = command.request_id();
  if (id.empty() || !seen_.insert(id).second) return;
  order_.push_back(id);
  if (order_.size() > kRemembered) {
    seen_.erase(order_.front());
    order_.pop_front();
  }
  if (command.expires() != 0 && command.expires() < hub_now) {
    Refuse(id, absl::DeadlineExceededError("the command came after its expiry"));
    return;
  }
  switch (command.operation_case()) {
    case v1::Command::kOpenTunnel:
      OpenTunnel(id, command.open_tunnel());
      return;
    case v1::Command::kManifestBytes: {
      if (!held) {
        Refuse(id, absl::NotFoundError("this host holds no manifest"));
        return;
      }
      v1::Reply reply;
      reply.set_request_id(id);
      *reply.mutable_manifest() = *held;
      answer_(reply);
      return;
    }
    case v1::Command::kLogRange:
      read_logs_(id, command.log_range());
      return;
    case v1::Command::kLogTail:
      SendTail(id, command.log_tail());
      return;
    case v1::Command::OPERATION_NOT_SET:
      Refuse(id, absl::UnimplementedError("this agent does not know the command"));
      return;
  }
}

void Commands::SendTail(const std::string& request_id, const v1::LogTailWanted& wanted) {
  if (!read_tail_) return Refuse(request_id, absl::UnimplementedError("this agent keeps no logs"));
  absl::StatusOr<v1::LogTail> tail = read_tail_(wanted);
  if (!tail.ok()) return Refuse(request_id, tail.status());
  v1::Reply reply;
  reply.set_request_id(request_id);
  *reply.mutable_log_tail() = *std::move(tail);
  answer_(reply);
}

void Commands::OpenTunnel(const std::string& request_id, const v1::StreamHead& head) {
  tunnels_.remove_if([](const auto& tunnel) { return tunnel.expired(); });
  if (tunnels_.size() >= kMaxTunnels) {
    Refuse(request_id, absl::ResourceExhaustedError("this host serves " + std::to_string(kMaxTunnels) +
                                                    " streams already"));
    return;
  }
  std::shared_ptr<FrameStream> stream = dial_ ? dial_() : nullptr;
  if (!stream) {
    Refuse(request_id,
           absl::UnavailableError("this host has only an MQTT link: exec, attach and port-forward need an "
                                  "endpoint for tunnels, and it has none"));
    return;
  }
  tunnels_.push_back(stream);
  v1::StreamFrame frame;
  frame.set_request_id(request_id);
  auto* raw = stream.get();
  raw->Write(std::move(frame), lifetime_.Guard([this, request_id, head,
                                                stream = std::move(stream)](const absl::Status& status) {
    if (!status.ok()) {
      LogWarning("cannot open a stream to the hub", {{"uid", head.uid()}, {"error", Describe(status)}});
      Refuse(request_id, status);
      return;
    }
    serve_(head, stream);
  }));
}

}  // namespace slicelet::agent
