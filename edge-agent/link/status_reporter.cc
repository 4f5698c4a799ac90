#include "edge-agent/link/status_reporter.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

namespace slicelet::agent {
namespace {

/// Without an acknowledgement for this long the report counts as lost; doubles while it keeps being so.
constexpr Duration kFirstPatience = std::chrono::seconds(10);
constexpr Duration kLastPatience = std::chrono::minutes(2);
/// Of the workloads in one report: well below what a link carries in one message (4 MiB).
constexpr std::size_t kLargestReport = std::size_t{2} << 20;

}  // namespace

StatusReporter::StatusReporter(Loop& loop, const ManifestRunner& runner, Send send)
    : loop_(loop), runner_(runner), send_(std::move(send)), flush_(loop), resend_(loop) {}

void StatusReporter::Begin(Duration batch, Duration first_delay) {
  open_ = true;
  batch_ = batch;
  sequence_ = 0;
  acknowledged_ = 0;
  patience_ = kFirstPatience;
  full_ = true;
  first_waits_ = true;
  resend_.Cancel();
  flush_.Set(first_delay, [this] { Flush(); });
}

void StatusReporter::End() {
  open_ = false;
  dirty_.clear();
  flush_.Cancel();
  resend_.Cancel();
}

void StatusReporter::OnChanged(const std::vector<PodUid>& uids, bool urgent) {
  if (!open_) return;
  dirty_.insert(uids.begin(), uids.end());
  Schedule(urgent);
}

void StatusReporter::OnResync() {
  if (!open_) return;
  full_ = true;
  Schedule(false);
}

void StatusReporter::SetFacts(const v1::NodeFacts& facts) {
  if (google::protobuf::util::MessageDifferencer::Equals(facts_, facts)) return;
  facts_ = facts;
  if (!open_) return;
  facts_changed_ = true;
  Schedule(false);
}

void StatusReporter::OnAck(std::uint64_t sequence) {
  if (!open_ || sequence > sequence_ || sequence <= acknowledged_) return;
  acknowledged_ = sequence;
  patience_ = kFirstPatience;
  // While the hub follows, the patience is with what it has not acknowledged yet.
  resend_.Cancel();
  if (acknowledged_ != sequence_) ExpectAck();
}

void StatusReporter::ExpectAck() {
  if (resend_.armed()) return;
  resend_.Set(patience_, [this] {
    patience_ = std::min(patience_ * 2, kLastPatience);
    OnResync();
  });
}

void StatusReporter::Schedule(bool urgent) {
  // The first report waits for its turn after a mass reconnect.
  if (first_waits_) return;
  const auto due = urgent ? loop_.Now() : std::max(loop_.Now(), last_sent_ + batch_);
  if (flush_.armed() && !urgent) return;
  // Even at once means at the end of this turn, so that what changes together travels together.
  flush_.Set(due - loop_.Now(), [this] { Flush(); });
}

void StatusReporter::Flush() {
  if (!open_) return;
  first_waits_ = false;
  flush_.Cancel();
  std::vector<v1::WorkloadStatus> statuses;
  if (full_) {
    statuses = runner_.Statuses();
  } else {
    for (const auto& uid : dirty_) {
      if (const auto* status = runner_.FindStatus(uid)) statuses.push_back(*status);
    }
  }
  std::vector<v1::StatusReport> reports(1);
  reports.back().set_full(full_);
  if (full_ || facts_changed_) *reports.back().mutable_node() = facts_;
  if (const auto& running = runner_.Unexplained()) {
    v1::StatusReport::Unexplained& told = *reports.back().mutable_unexplained();
    for (const PodUid& uid : *running) told.add_uids(uid.value());
  }
  std::size_t bytes = 0;
  for (auto& status : statuses) {
    const std::size_t size = status.ByteSizeLong();
    if (bytes > 0 && bytes + size > kLargestReport) {
      // What follows counts only if nothing before it was lost, like every change.
      reports.emplace_back();
      bytes = 0;
    }
    bytes += size;
    *reports.back().add_workloads() = std::move(status);
  }
  dirty_.clear();
  full_ = false;
  facts_changed_ = false;
  last_sent_ = loop_.Now();
  ExpectAck();
  for (auto& report : reports) {
    report.set_sequence(++sequence_);
    report.mutable_observed()->set_epoch(observed_.epoch);
    report.mutable_observed()->set_number(observed_.number);
    send_(report);
  }
}

}  // namespace slicelet::agent
