#include "cli/table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json/json.h"

namespace slicelet::cli {
namespace {

/// What kubectl shows as STATUS: the most telling of deletion, waiting or terminated reason, and phase.
std::string PodState(const Json& pod) {
  if (FindJson(pod, "/metadata/deletionTimestamp") != nullptr) return "Terminating";
  std::string state = GetString(pod, "/status/reason", GetString(pod, "/status/phase", "Pending"));
  for (const Json& status : GetArray(pod, "/status/initContainerStatuses")) {
    const std::string waiting = GetString(status, "/state/waiting/reason");
    if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
    const auto code = GetInt(status, "/state/terminated/exitCode");
    if (code != 0) return "Init:" + GetString(status, "/state/terminated/reason", "Error");
  }
  for (const Json& status : GetArray(pod, "/status/containerStatuses")) {
    const std::string waiting = GetString(status, "/state/waiting/reason");
    if (!waiting.empty()) return waiting;
    const std::string terminated = GetString(status, "/state/terminated/reason");
    if (!terminated.empty()) state = terminated;
  }
  return state;
}

bool IsTrue(const Json& object, const std::string& type) {
  for (const Json& condition : GetArray(object, "/status/conditions")) {
    if (GetString(condition, "/type") == type) return GetString(condition, "/status") == "True";
  }
  return false;
}

}  // namespace

std::string FormatTable(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 3, ' ');
    }
    text += line + "\n";
  }
  return text;
}

std::string FormatAge(const std::string& timestamp, WallTime now) {
  const auto time = ParseTime(timestamp);
  if (!time.ok()) return "<unknown>";
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - *time).count());
  const auto pair = [](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
    std::string text = std::to_string(big) + big_unit;
    if (small != 0) text += std::to_string(small) + small_unit;
    return text;
  };
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < 2 * kMinute) return std::to_string(seconds) + "s";
  if (seconds < 10 * kMinute) return pair(seconds / kMinute, "m", seconds % kMinute, "s");
  if (seconds < 3 * kHour) return std::to_string(seconds / kMinute) + "m";
  if (seconds < 8 * kHour) return pair(seconds / kHour, "h", seconds % kHour / kMinute, "m");
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + "h";
  return std::to_string(seconds / kDay) + "d";
}

std::vector<Row> PodRows(const std::vector<Json>& pods, bool namespaces, bool wide, WallTime now) {
  Row heading;
  if (namespaces) heading.emplace_back("NAMESPACE");
  heading.insert(heading.end(), {"NAME", "READY", "STATUS", "RESTARTS", "AGE"});
  if (wide) heading.insert(heading.end(), {"IP", "NODE"});
  std::vector<Row> rows{heading};
  for (const Json& pod : pods) {
    std::int64_t ready = 0, restarts = 0;
    for (const Json& status : GetArray(pod, "/status/containerStatuses")) {
      ready += GetBool(status, "/ready") ? 1 : 0;
      restarts += GetInt(status, "/restartCount");
    }
    Row row;
    if (namespaces) row.push_back(GetString(pod, "/metadata/namespace"));
    row.push_back(GetString(pod, "/metadata/name"));
    row.push_back(std::to_string(ready) + "/" + std::to_string(GetArray(pod, "/spec/containers").size()));
    row.push_back(PodState(pod));
    row.push_back(std::to_string(restarts));
    row.push_back(FormatAge(GetString(pod, "/metadata/creationTimestamp"), now));
    if (wide) {
      row.push_back(GetString(pod, "/status/podIP", "<none>"));
      row.push_back(GetString(pod, "/spec/nodeName", "<none>"));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> NodeRows(const std::vector<Json>& nodes, bool wide, WallTime now) {
  Row heading{"NAME", "STATUS", "LINK", "AGE", "VERSION"};
  if (wide) heading.insert(heading.end(), {"OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"});
  std::vector<Row> rows{heading};
  for (const Json& node : nodes) {
    Row row{GetString(node, "/metadata/name"), IsTrue(node, "Ready") ? "Ready" : "NotReady",
            IsTrue(node, "slicelet.io/LinkReady") ? "up" : "away",
            FormatAge(GetString(node, "/metadata/creationTimestamp"), now),
            GetString(node, "/status/nodeInfo/kubeletVersion")};
    if (wide) {
      row.push_back(GetString(node, "/status/nodeInfo/osImage"));
      row.push_back(GetString(node, "/status/nodeInfo/kernelVersion"));
      row.push_back(GetString(node, "/status/nodeInfo/containerRuntimeVersion"));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace slicelet::cli
