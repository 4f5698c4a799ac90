#include "cli/table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "cli/pod_summary.h"
#include "common/json/json.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

/// Whether the host of a node is connected to its hub.
std::string Link(const Json& node) {
  const std::string ready = kube::ConditionStatus(node, "slicelet.io/LinkReady");
  if (ready == "True") return "up";
  return ready == "False" ? "away" : "unknown";
}

/// node-role.kubernetes.io/ROLE and kubernetes.io/role=ROLE, as kubectl shows them.
std::string Roles(const Json& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  const Json* labels = FindJson(node, "/metadata/labels");
  if (labels != nullptr && labels->is_object()) {
    for (const auto& [key, value] : labels->items()) {
      if (key.rfind(kPrefix, 0) == 0 && key.size() > kPrefix.size()) roles.insert(key.substr(kPrefix.size()));
      if (key == "kubernetes.io/role" && value.is_string() && !value.get_ref<const std::string&>().empty()) {
        roles.insert(value.get<std::string>());
      }
    }
  }
  std::string text;
  for (const std::string& role : roles) text += (text.empty() ? "" : ",") + role;
  return text.empty() ? "<none>" : text;
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Columns it takes, as far as every character takes one.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

}  // namespace

std::string Printable(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are controls too: some terminals obey them.
    const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte == '\n') {
      result += "\\n";
    } else if (byte == '\t') {
      result += "\\t";
    } else if (byte == '\r') {
      result += "\\r";
    } else if (byte < 0x20 || byte == 0x7f || c1) {
      const unsigned char shown = c1 ? static_cast<unsigned char>(text[++i]) : byte;
      result += std::string("\\x") + kHex[shown >> 4] + kHex[shown & 0xf];
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string FormatTable(const std::vector<Row>& raw) {
  std::vector<Row> rows = raw;
  for (Row& row : rows) {
    for (std::string& cell : row) cell = Printable(cell);
  }
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Width(row[i]) + 3, ' ');
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
    const PodSummary summary = SummarizePod(pod, now);
    Row row;
    if (namespaces) row.push_back(GetString(pod, "/metadata/namespace"));
    row.push_back(GetString(pod, "/metadata/name"));
    row.push_back(std::to_string(summary.ready) + "/" + std::to_string(summary.containers));
    row.push_back(summary.state);
    row.push_back(summary.restarts);
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
  Row heading{"NAME", "STATUS", "ROLES", "LINK", "AGE", "VERSION"};
  if (wide) heading.insert(heading.end(), {"OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"});
  std::vector<Row> rows{heading};
  for (const Json& node : nodes) {
    std::string status = kube::ConditionStatus(node, "Ready") == "True" ? "Ready" : "NotReady";
    if (GetBool(node, "/spec/unschedulable")) status += ",SchedulingDisabled";
    Row row{GetString(node, "/metadata/name"),
            std::move(status),
            Roles(node),
            Link(node),
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
