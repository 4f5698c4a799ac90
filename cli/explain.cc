#include "cli/explain.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/admin_connection.h"
#include "cli/table.h"
#include "common/json/json.h"

namespace slicelet::cli {
namespace {

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
constexpr char kUnknown[] = "-";

struct Options {
  std::string pod, ns = "default", output = "table";
};

std::string Cpu(std::int64_t milli) { return std::to_string(milli) + "m"; }
std::string Memory(std::int64_t bytes) { return std::to_string(bytes / kMebibyte) + "Mi"; }

/// Bytes per second: "512B/s", "3.4kB/s", "12.0MB/s".
std::string Rate(std::uint64_t bytes) {
  constexpr std::uint64_t kStep = 1'000;
  if (bytes < kStep) return std::to_string(bytes) + "B/s";
  const char* const kUnits[] = {"kB/s", "MB/s", "GB/s", "TB/s"};
  double value = static_cast<double>(bytes) / kStep;
  std::size_t unit = 0;
  for (; value >= kStep && unit + 1 < std::size(kUnits); ++unit) value /= kStep;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%s", value, kUnits[unit]);
  return text;
}

absl::Status RunExplainPod(const OperatorConfig& config, const Options& options) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  v1::ExplainPodRequest request;
  request.set_namespace_(options.ns);
  request.set_name(options.pod);
  const absl::StatusOr<v1::ExplainPodReply> reply = client->ExplainPod(request);
  if (!reply.ok()) return Explained(reply.status(), config);
  std::fputs((options.output == "json" ? ExplanationJson(*reply) : ExplanationTable(*reply)).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

std::string ExplanationTable(const v1::ExplainPodReply& reply) {
  std::string head = "node " + reply.node() + ", placement " + reply.placement();
  if (reply.hosts() > 0)
    head += ", " + std::to_string(reply.hosts()) + (reply.hosts() == 1 ? " host" : " hosts");
  if (!reply.condition().empty()) head += ", condition " + reply.condition();
  head += "; counts as " + Cpu(reply.cpu_milli()) + " CPU and " + Memory(reply.memory_bytes()) + " memory";
  std::vector<Row> rows{
      {"HOST", "CHOSEN", "MATCHED", "FREE CPU", "FREE MEMORY", "ROOM FOR", "TRAFFIC", "WHY NOT"}};
  for (const v1::ExplainPodReply::Entry& entry : reply.entries()) {
    rows.push_back({entry.host(), entry.chosen() ? "yes" : "no", entry.matched() ? "yes" : "no",
                    entry.has_free_cpu_milli() ? Cpu(entry.free_cpu_milli()) : kUnknown,
                    entry.has_free_memory_bytes() ? Memory(entry.free_memory_bytes()) : kUnknown,
                    entry.has_max_replicas() ? std::to_string(entry.max_replicas()) : kUnknown,
                    entry.has_receive_rate() ? Rate(entry.receive_rate()) : kUnknown, entry.reason()});
  }
  return Printable(head) + "\n\n" + FormatTable(rows);
}

std::string ExplanationJson(const v1::ExplainPodReply& reply) {
  Json entries = Json::array();
  for (const v1::ExplainPodReply::Entry& entry : reply.entries()) {
    entries.push_back(
        {{"host", entry.host()},
         {"chosen", entry.chosen()},
         {"matched", entry.matched()},
         {"freeCpuMilli", entry.has_free_cpu_milli() ? Json(entry.free_cpu_milli()) : Json()},
         {"freeMemoryBytes", entry.has_free_memory_bytes() ? Json(entry.free_memory_bytes()) : Json()},
         {"maxReplicas", entry.has_max_replicas() ? Json(entry.max_replicas()) : Json()},
         {"receiveRate", entry.has_receive_rate() ? Json(entry.receive_rate()) : Json()},
         {"reason", entry.reason()}});
  }
  const Json json = {{"node", reply.node()},          {"placement", reply.placement()},
                     {"hosts", reply.hosts()},        {"condition", reply.condition()},
                     {"cpuMilli", reply.cpu_milli()}, {"memoryBytes", reply.memory_bytes()},
                     {"entries", std::move(entries)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void AddExplain(
    CLI::App& app,
    const std::function<void(CLI::App* command, std::function<absl::Status(const OperatorConfig&)> action)>&
        on_hub) {
  CLI::App* explain = app.add_subcommand("explain", "Why something is as it is")->require_subcommand(1);
  explain->footer("Examples:\n  slicectl explain pod web -n shop");
  CLI::App* pod = explain->add_subcommand("pod", "Why each host was or was not chosen for a pod");
  const auto options = std::make_shared<Options>();
  pod->add_option("POD", options->pod, "the pod")->required();
  pod->add_option("-n,--namespace", options->ns, "namespace")->capture_default_str();
  pod->add_option("-o,--output", options->output, "how to print it")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  pod->footer("Examples:\n  slicectl explain pod web -n shop\n  slicectl explain pod web -o json");
  on_hub(pod, [options](const OperatorConfig& config) { return RunExplainPod(config, *options); });
}

}  // namespace slicelet::cli
