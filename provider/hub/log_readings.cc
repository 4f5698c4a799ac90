#include "provider/hub/log_readings.h"

#include <algorithm>
#include <vector>

#include "provider/hub/stream_joiner.h"

namespace slicelet::provider {
namespace {

constexpr int kIdBytes = 16;

}  // namespace

void LogReadings::Open(const HostId& host, const v1::StreamHead& head, std::shared_ptr<FrameStream> stream) {
  if (readings_.size() >= kMaxReadings) {
    return StreamJoiner::Refuse(stream,
                                absl::ResourceExhaustedError("the hub reads too many logs, try again later"));
  }
  const std::string id = random_.Hex(kIdBytes);
  auto made = std::make_unique<Reading>(loop_);
  made->host = host;
  made->head = head;
  made->stream = std::move(stream);
  Reading& reading = *(readings_[id] = std::move(made));
  // The reader says nothing, but its going must be noticed.
  reading.stream->Read(
      lifetime_.Guard([this, id](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
        if (!frame.ok() || !*frame) End(id, absl::CancelledError("the reader went"), /*tell=*/true);
      }));
  Ask(id, reading);
}

void LogReadings::Ask(const std::string& id, Reading& reading) {
  if (++reading.attempts > kMaxAttempts) {
    return End(id,
               absl::DeadlineExceededError("host " + reading.host.value() + " does not answer about the log"),
               /*tell=*/true);
  }
  v1::Command command;
  command.set_request_id(random_.Hex(kIdBytes));
  command.set_expires(ToUnixNanos(clock_.Now() + kAnswerWithin));
  command.mutable_log_range()->set_reading(id);
  command.mutable_log_range()->set_number(reading.number);
  if (reading.number == 1) *command.mutable_log_range()->mutable_head() = reading.head;
  reading.timeout.Set(kAnswerWithin, [this, id, &reading] { Ask(id, reading); });
  send_(reading.host, std::move(command));
}

void LogReadings::OnReply(const HostId& host, const v1::Reply& reply) {
  const std::string& id = reply.log().reading();
  const auto it = readings_.find(id);
  if (it == readings_.end() || it->second->host != host) return;
  Reading& reading = *it->second;
  // Said twice, or late: what was asked for is not answered by it.
  if (reply.log().number() != reading.number || !reading.timeout.armed()) return;
  reading.timeout.Cancel();
  reading.attempts = 0;
  if (reply.code() != 0)
    reading.end = absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  reading.last = reply.log().last() || !reading.end.ok();
  if (!reading.begun && !reading.end.ok()) return End(id, reading.end, /*tell=*/false);
  if (!std::exchange(reading.begun, true)) reading.frames.emplace_back().mutable_reply();
  const std::string& data = reply.log().data();
  for (std::size_t at = 0; at < data.size(); at += kFrameBytes)
    reading.frames.emplace_back().set_data(data.substr(at, kFrameBytes));
  WriteOn(id, reading);
}

void LogReadings::WriteOn(const std::string& id, Reading& reading) {
  if (reading.frames.empty()) {
    if (reading.last) return End(id, reading.end, /*tell=*/true);
    ++reading.number;
    return Ask(id, reading);
  }
  v1::StreamFrame frame = std::move(reading.frames.front());
  reading.frames.pop_front();
  reading.stream->Write(std::move(frame), lifetime_.Guard([this, id](const absl::Status& status) {
    const auto it = readings_.find(id);
    if (it == readings_.end()) return;
    if (!status.ok()) return End(id, status, /*tell=*/true);
    WriteOn(id, *it->second);
  }));
}

void LogReadings::End(const std::string& id, const absl::Status& status, bool tell) {
  const auto it = readings_.find(id);
  if (it == readings_.end()) return;
  const std::unique_ptr<Reading> reading = std::move(it->second);
  readings_.erase(it);
  if (tell) {
    v1::Command command;
    command.set_request_id(random_.Hex(kIdBytes));
    command.set_expires(ToUnixNanos(clock_.Now() + kAnswerWithin));
    command.mutable_log_range()->set_reading(id);
    send_(reading->host, std::move(command));
  }
  if (!reading->begun && !status.ok()) return StreamJoiner::Refuse(reading->stream, status);
  reading->stream->Finish(status);
  // It may be calling us.
  loop_.Post([stream = reading->stream] {});
}

void LogReadings::Close(const HostId& host, const absl::Status& status) {
  std::vector<std::string> ids;
  for (const auto& [id, reading] : readings_) {
    if (reading->host == host) ids.push_back(id);
  }
  for (const std::string& id : ids) End(id, status, /*tell=*/false);
}

}  // namespace slicelet::provider
