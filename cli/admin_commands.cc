#include "cli/admin_commands.h"

#include <absl/strings/str_join.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/admin_connection.h"
#include "cli/table.h"
#include "common/json/json.h"
#include "common/json/yaml_writer.h"

namespace slicelet::cli {
namespace {

std::string Age(std::int64_t unix_nanos) {
  if (unix_nanos == 0) return "never";
  return FormatAge(FormatTime(FromUnixNanos(unix_nanos)), SystemClock().Now());
}

std::string PhaseName(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_RUNNING:
      return "Running";
    case v1::PHASE_SUCCEEDED:
      return "Succeeded";
    case v1::PHASE_FAILED:
      return "Failed";
    default:
      return "Pending";
  }
}

/// `list` and `rows` say the same; `name` is the member that tells the entries apart.
void Print(const Json& list, const std::vector<Row>& rows, const std::string& name,
           const std::string& output) {
  if (output == "json") {
    std::printf("%s\n", list.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else if (output == "yaml") {
    std::fputs(DumpYaml(list).c_str(), stdout);
  } else if (output == "name") {
    for (const Json& entry : list) std::printf("%s\n", Printable(GetString(entry, "/" + name)).c_str());
  } else {
    std::fputs(FormatTable(rows).c_str(), stdout);
  }
}

}  // namespace

absl::Status RunHostList(const OperatorConfig& config, const std::string& output) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  const absl::StatusOr<v1::ListHostsReply> reply = client->ListHosts();
  if (!reply.ok()) return Explained(reply.status(), config);
  Json list = Json::array();
  std::vector<Row> rows{
      {"NAME", "APPROVED", "LINK", "LAST SEEN", "ADDRESS", "VERSION", "GENERATION", "WORKLOADS"}};
  for (const v1::HostInfo& host : reply->hosts()) {
    list.push_back(
        {{"name", host.name()},
         {"approved", host.approved()},
         {"revoked", host.revoked()},
         {"connected", host.connected()},
         {"lastSeen", host.last_seen() == 0 ? Json() : Json(FormatTime(FromUnixNanos(host.last_seen())))},
         {"agentVersion", host.agent_version()},
         {"address", host.address()},
         {"epoch", host.epoch()},
         {"number", host.number()},
         {"accepted", host.accepted()},
         {"workloads", host.workloads()}});
    rows.push_back({host.name(), host.revoked() ? "revoked" : (host.approved() ? "yes" : "no"),
                    host.connected() ? "up" : "away", Age(host.last_seen()), host.address(),
                    host.agent_version(),
                    std::to_string(host.epoch()) + "." + std::to_string(host.number()) +
                        (host.accepted() ? "" : " (sent)"),
                    std::to_string(host.workloads())});
  }
  Print(list, rows, "name", output);
  return absl::OkStatus();
}

absl::Status RunPodHosts(const OperatorConfig& config, const std::string& ns, const std::string& pod,
                         const std::string& output) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  v1::PodHostsRequest request;
  request.set_namespace_(ns);
  request.set_name(pod);
  const absl::StatusOr<v1::PodHostsReply> reply = client->PodHosts(request);
  if (!reply.ok()) return Explained(reply.status(), config);
  Json list = Json::array();
  std::vector<Row> rows{
      {"HOST", "STATE", "LINK", "ACCEPTED", "PHASE", "READY", "RESTARTS", "OBSERVED", "REASON"}};
  for (const auto& entry : reply->entries()) {
    int ready = 0, restarts = 0;
    std::string reason = entry.status().reason();
    for (const v1::ContainerStatus& container : entry.status().containers()) {
      ready += container.ready() ? 1 : 0;
      restarts += container.restart_count();
      if (reason.empty() && container.state().has_waiting()) reason = container.state().waiting().reason();
    }
    if (entry.status().has_refused()) reason = entry.status().refused().reason();
    if (!entry.message().empty()) reason = entry.message();
    const std::string state = entry.state().empty() ? "Targeted" : entry.state();
    list.push_back({{"host", entry.host()},
                    {"state", state},
                    {"connected", entry.connected()},
                    {"accepted", entry.accepted()},
                    {"phase", PhaseName(entry.status().phase())},
                    {"ready", ready},
                    {"containers", entry.status().containers_size()},
                    {"restarts", restarts},
                    {"reason", reason}});
    rows.push_back({entry.host(), state, entry.connected() ? "up" : "away", entry.accepted() ? "yes" : "no",
                    PhaseName(entry.status().phase()),
                    std::to_string(ready) + "/" + std::to_string(entry.status().containers_size()),
                    std::to_string(restarts), Age(entry.status().observed_at()), reason});
  }
  Print(list, rows, "host", output);
  return absl::OkStatus();
}

absl::Status RunOrphansList(const OperatorConfig& config, const std::string& output) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  const absl::StatusOr<v1::ListOrphansReply> reply = client->ListOrphans();
  if (!reply.ok()) return Explained(reply.status(), config);
  Json list = Json::array();
  std::vector<Row> rows{{"UID", "NAMESPACE", "NAME", "NODE", "STATE", "SINCE", "WHY"}};
  for (const auto& orphan : reply->orphans()) {
    list.push_back({{"uid", orphan.uid()},
                    {"namespace", orphan.namespace_()},
                    {"name", orphan.name()},
                    {"node", orphan.node()},
                    {"host", orphan.host()},
                    {"state", orphan.state()},
                    {"why", orphan.why()},
                    {"since", FormatTime(FromUnixNanos(orphan.since()))}});
    rows.push_back({orphan.uid(), orphan.namespace_(), orphan.name(), orphan.node(), orphan.state(),
                    Age(orphan.since()), orphan.why()});
  }
  if (list.empty() && (output == "table" || output == "wide")) {
    std::fputs("No orphans: every workload on every host has its pod in Kubernetes.\n", stderr);
  } else {
    Print(list, rows, "uid", output);
  }
  return absl::OkStatus();
}

absl::Status RunOrphansDecide(const OperatorConfig& config, bool keep, const std::vector<std::string>& uids,
                              const std::string& node) {
  if (uids.empty() == node.empty()) {
    return absl::InvalidArgumentError(
        "name either pod uids or --node NODE; 'slicectl orphans list' shows both");
  }
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  v1::DecideOrphansRequest request;
  request.set_decision(keep ? v1::DecideOrphansRequest::KEEP : v1::DecideOrphansRequest::REMOVE);
  for (const std::string& uid : uids) request.add_uids(uid);
  request.set_node(node);
  const absl::StatusOr<v1::DecideOrphansReply> reply = client->DecideOrphans(request);
  if (!reply.ok()) return Explained(reply.status(), config);
  if (reply->decided() > 0 || reply->unknown().empty()) {
    std::printf("%s %d\n", keep ? "kept" : "removed", reply->decided());
  }
  if (reply->unknown().empty()) return absl::OkStatus();
  return absl::NotFoundError("neither orphaned nor held: " + absl::StrJoin(reply->unknown(), ", ") +
                             "; 'slicectl orphans list' shows which are");
}

absl::Status RunNodeDecommission(const OperatorConfig& config, const std::string& node, bool force) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, Connect(config));
  v1::DecommissionNodeRequest request;
  request.set_node(node);
  request.set_force(force);
  SLICELET_RETURN_IF_ERROR(Explained(client->DecommissionNode(request), config));
  std::printf("node %s is decommissioned\n", node.c_str());
  return absl::OkStatus();
}

}  // namespace slicelet::cli
