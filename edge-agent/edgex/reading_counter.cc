#include "edge-agent/edgex/reading_counter.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "common/json/json.h"

namespace slicelet::agent {
namespace {

constexpr int kOk = 200;

/// A whole number that is not below zero.
std::optional<std::int64_t> NumberAt(const Json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  return value < 0 ? std::nullopt : std::make_optional(value);
}

/// {"totalCount": n, "readings": [the newest one]}
std::optional<v1::DeviceReadings> Read(const EdgexClient::Answer& answer) {
  const Json body = ParseJson(answer.body).value_or(Json());
  if (answer.status != kOk || !body.is_object()) return std::nullopt;
  const auto count = NumberAt(body, "totalCount");
  if (!count) return std::nullopt;
  v1::DeviceReadings readings;
  readings.set_count(*count);
  const auto newest = body.find("readings");
  if (newest != body.end() && newest->is_array() && !newest->empty() && newest->front().is_object()) {
    readings.set_newest(NumberAt(newest->front(), "origin").value_or(0));
  }
  return readings;
}

bool HasReading(const std::map<std::string, v1::DeviceReadings>& readings, const std::string& name) {
  const auto found = readings.find(name);
  return found != readings.end() && found->second.newest() > 0;
}

}  // namespace

ReadingCounter::ReadingCounter(Loop& loop, const Clock& clock, EdgexClient& client, Duration period,
                               std::function<void()> changed)
    : loop_(loop),
      clock_(clock),
      client_(client),
      period_(period),
      changed_(std::move(changed)),
      timer_(loop) {}

void ReadingCounter::SetDevices(const std::set<std::string>& names) {
  if (names == names_) return;
  names_ = names;
  const auto erased = std::erase_if(told_, [&](const auto& one) { return names_.count(one.first) == 0; });
  if (erased > 0) changed_();
  Begin();
}

void ReadingCounter::SetEndpoint(std::optional<EdgexClient::Endpoint> endpoint) {
  if (endpoint == endpoint_) return;
  endpoint_ = std::move(endpoint);
  Begin();
}

void ReadingCounter::Begin() {
  ++round_;
  timer_.Cancel();
  delay_ = std::min(kFirstDelay, period_);
  // Its device service starts after core-data: nothing is there at once.
  if (endpoint_ && !names_.empty()) Rest(delay_);
}

void ReadingCounter::Rest(Duration delay) {
  timer_.Set(std::max<Duration>(delay, rest_until_ - loop_.Now()), [this] { BeginRound(); });
}

void ReadingCounter::BeginRound() {
  ++round_;
  began_ = loop_.Now();
  found_.clear();
  ahead_.assign(names_.rbegin(), names_.rend());
  if (began_ >= all_due_) {
    all_due_ = began_ + period_;
  } else {
    std::erase_if(ahead_, [this](const std::string& name) { return HasReading(told_, name); });
  }
  AskNext();
}

void ReadingCounter::AskNext() {
  if (ahead_.empty()) return EndRound();
  const std::string name = ahead_.back();
  ahead_.pop_back();
  const auto done = [this, name, round = round_](const absl::StatusOr<EdgexClient::Answer>& answer) {
    if (round != round_) return;
    if (answer.ok()) TakeIn(name, *answer);
    // The others would fare no better.
    if (absl::IsUnavailable(answer.status())) ahead_.clear();
    AskNext();
  };
  client_.Send(*endpoint_,
               {"GET", "/api/v3/reading/device/name/" + PercentEncode(name) + "?offset=0&limit=1", ""},
               lifetime_.Guard(done));
}

void ReadingCounter::TakeIn(const std::string& name, const EdgexClient::Answer& answer) {
  auto readings = Read(answer);
  if (!readings) return;
  const auto told = told_.find(name);
  const bool same = told != told_.end() && told->second.count() == readings->count() &&
                    told->second.newest() == readings->newest();
  if (same) return;
  readings->set_observed_at(ToUnixNanos(clock_.Now()));
  found_[name] = *std::move(readings);
}

void ReadingCounter::EndRound() {
  delay_ = std::min(delay_ * 2, period_);
  rest_until_ = loop_.Now() + (loop_.Now() - began_) * kRestPerWork;
  const bool waits_for_first = std::any_of(names_.begin(), names_.end(), [this](const std::string& name) {
    return !HasReading(found_, name) && !HasReading(told_, name);
  });
  const Duration until_all = std::max<Duration>(all_due_ - loop_.Now(), Duration::zero());
  Rest(waits_for_first ? std::min(delay_, until_all) : until_all);
  if (found_.empty()) return;
  for (auto& [name, readings] : std::exchange(found_, {})) told_[name] = readings;
  changed_();
}

}  // namespace slicelet::agent
