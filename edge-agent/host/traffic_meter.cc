#include "edge-agent/host/traffic_meter.h"

#include <sstream>
#include <utility>

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{1} << 20;

}  // namespace

std::optional<TrafficMeter::Counters> TrafficMeter::Read() {
  const auto text = files_.Read("/proc/net/dev", kFileLimit);
  if (!text.ok()) return std::nullopt;
  Counters all, devices;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    // "  eth0: 1234 5 0 ...": received bytes come first. The two lines of headings have no colon.
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(' ');
    const std::string name = line.substr(begin, colon - begin);
    std::uint64_t bytes = 0;
    if (name == "lo" || !(std::istringstream(line.substr(colon + 1)) >> bytes)) continue;
    all[name] = bytes;
    if (files_.Stat("/sys/class/net/" + name + "/device").ok()) devices[name] = bytes;
  }
  return devices.empty() ? all : devices;
}

void TrafficMeter::Look(MonotonicTime now) {
  if (!samples_.empty() && now - samples_.back().at < kLeastStep) return;
  std::optional<Counters> counters = Read();
  if (!counters) {
    last_.reset();
    samples_.clear();
    return;
  }
  if (last_) {
    for (const auto& [name, bytes] : *counters) {
      const auto former = last_->find(name);
      // An interface that came meanwhile brings what it has counted for others.
      if (former != last_->end()) total_ += bytes >= former->second ? bytes - former->second : bytes;
    }
  }
  last_ = std::move(counters);
  samples_.push_back({now, total_});
  // The oldest that is kept is the last one that is as old as the window, so that it is always full.
  while (samples_.size() > 2 && now - samples_[1].at >= kWindow) samples_.pop_front();
}

std::optional<std::uint64_t> TrafficMeter::Rate() const {
  if (samples_.size() < 2) return std::nullopt;
  const Duration took = samples_.back().at - samples_.front().at;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  const std::uint64_t bytes = samples_.back().total - samples_.front().total;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) * 1'000 / static_cast<double>(milliseconds));
}

}  // namespace slicelet::agent
