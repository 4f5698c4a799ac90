#include "edge-agent/link/log_ranges.h"

namespace slicelet::agent {

void LogRanges::Refuse(const std::string& request_id, const v1::LogRange& range, const absl::Status& status) {
  v1::Reply reply;
  reply.set_request_id(request_id);
  reply.set_code(static_cast<int>(status.code()));
  reply.set_message(Message(status));
  reply.mutable_log()->set_reading(range.reading());
  reply.mutable_log()->set_number(range.number());
  reply.mutable_log()->set_last(true);
  answer_(reply);
}

void LogRanges::Ask(const std::string& request_id, const v1::LogRange& range) {
  const std::string& id = range.reading();
  if (range.number() == 0) {
    readings_.erase(id);
    return;
  }
  auto it = readings_.find(id);
  if (it == readings_.end()) {
    if (range.number() != 1) {
      return Refuse(request_id, range,
                    absl::UnavailableError("the agent began anew, or nobody read this log for long"));
    }
    if (readings_.size() >= kMaxReadings) {
      return Refuse(
          request_id, range,
          absl::ResourceExhaustedError("this host serves " + std::to_string(kMaxReadings) + " logs already"));
    }
    if (!range.head().has_logs())
      return Refuse(request_id, range, absl::InvalidArgumentError("only logs are read in pieces"));
    Open(id, range.head());
    // A log that can not be opened has ended, and says so with its first piece.
    it = readings_.find(id);
  }
  Reading& reading = *it->second;
  reading.abandoned.Set(kAbandoned, [this, id] { readings_.erase(id); });
  const std::uint64_t sent = reading.last.log().number();
  if (range.number() == sent) {
    reading.last.set_request_id(request_id);
    return answer_(reading.last);
  }
  // A late one of those that were answered.
  if (range.number() != sent + 1) return;
  reading.waiting = request_id;
  if (!reading.text.empty() || reading.end) return Send(reading);
  if (!reading.quiet.armed()) reading.quiet.Set(kQuiet, [this, &reading] { Send(reading); });
}

void LogRanges::Open(const std::string& id, const v1::StreamHead& head) {
  auto made = std::make_unique<Reading>(loop_);
  made->last.mutable_log()->set_reading(id);
  auto [ours, theirs] = MakeLocalFrameStreams(loop_, 1);
  made->stream = std::move(ours);
  Reading& reading = *(readings_[id] = std::move(made));
  ReadOn(id, reading);
  serve_(head, std::move(theirs));
}

void LogRanges::ReadOn(const std::string& id, Reading& reading) {
  if (reading.under_way || reading.end || reading.text.size() >= kPieceBytes) return;
  reading.under_way = true;
  reading.stream->Read(lifetime_.Guard(
      [this, id](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) { OnFrame(id, frame); }));
}

void LogRanges::OnFrame(const std::string& id, const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
  const auto it = readings_.find(id);
  if (it == readings_.end()) return;
  Reading& reading = *it->second;
  reading.under_way = false;
  if (!frame.ok()) {
    reading.end = frame.status();
  } else if (!*frame) {
    reading.end = absl::OkStatus();
  } else if ((*frame)->has_reply() && (*frame)->reply().code() != 0) {
    reading.end =
        absl::Status(static_cast<absl::StatusCode>((*frame)->reply().code()), (*frame)->reply().message());
  } else {
    reading.text += (*frame)->data();
  }
  if (reading.waiting) {
    if (reading.end || reading.text.size() >= kPieceBytes) return Send(reading);
    if (!reading.text.empty() && !reading.gather.armed())
      reading.gather.Set(kGather, [this, &reading] { Send(reading); });
  }
  ReadOn(id, reading);
}

void LogRanges::Send(Reading& reading) {
  reading.gather.Cancel();
  reading.quiet.Cancel();
  v1::LogPiece& piece = *reading.last.mutable_log();
  piece.set_number(piece.number() + 1);
  piece.set_data(reading.text.substr(0, kPieceBytes));
  reading.text.erase(0, piece.data().size());
  piece.set_last(reading.end.has_value() && reading.text.empty());
  if (piece.last() && !reading.end->ok()) {
    reading.last.set_code(static_cast<int>(reading.end->code()));
    reading.last.set_message(Message(*reading.end));
  }
  reading.last.set_request_id(*std::exchange(reading.waiting, std::nullopt));
  answer_(reading.last);
  ReadOn(piece.reading(), reading);
}

}  // namespace slicelet::agent
