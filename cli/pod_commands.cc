#include "cli/pod_commands.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/https_client.h"
#include "cli/table.h"
#include "common/config/config_reader.h"
#include "common/json/json.h"

namespace slicelet::cli {
namespace {

absl::StatusOr<Json> GetObjectAt(HttpsClient& client, const OperatorConfig& config, const std::string& path) {
  SLICELET_ASSIGN_OR_RETURN(const std::string body, client.Get(config.shim, path));
  return ParseJson(body);
}

std::string PodPath(const std::string& ns, const std::string& name) {
  return "/api/v1/namespaces/" + EncodeQuery(ns) + "/pods/" + EncodeQuery(name);
}

/// Where a container's kubelet API is, and which container is meant.
struct Location {
  std::string server;
  std::string container;
};

absl::StatusOr<Location> Locate(HttpsClient& client, const OperatorConfig& config, const std::string& ns,
                                const std::string& pod_name, const std::string& container) {
  SLICELET_ASSIGN_OR_RETURN(const Json pod, GetObjectAt(client, config, PodPath(ns, pod_name)));
  Location location{.container = container};
  if (container.empty()) {
    const Json& containers = GetArray(pod, "/spec/containers");
    if (containers.empty()) return absl::NotFoundError("pod " + pod_name + " has no container");
    location.container = GetString(containers[0], "/name");
    if (containers.size() > 1) {
      std::fprintf(stderr, "Defaulted container \"%s\"; use -c to choose another\n",
                   location.container.c_str());
    }
  }
  const std::string node_name = GetString(pod, "/spec/nodeName");
  if (node_name.empty()) return absl::FailedPreconditionError("pod " + pod_name + " is not on a node yet");
  SLICELET_ASSIGN_OR_RETURN(const Json node,
                            GetObjectAt(client, config, "/api/v1/nodes/" + EncodeQuery(node_name)));
  std::string address;
  for (const Json& one : GetArray(node, "/status/addresses")) {
    if (GetString(one, "/type") == "InternalIP") address = GetString(one, "/address");
  }
  const auto port = GetInt(node, "/status/daemonEndpoints/kubeletEndpoint/Port");
  if (address.empty() || port == 0) return absl::UnavailableError("node " + node_name + " serves no API yet");
  location.server = address + ":" + std::to_string(port);
  return location;
}

std::string KubeletPath(const std::string& verb, const std::string& ns, const std::string& pod,
                        const std::string& container) {
  return "/" + verb + "/" + EncodeQuery(ns) + "/" + EncodeQuery(pod) + "/" + EncodeQuery(container);
}

}  // namespace

absl::Status RunGet(const OperatorConfig& config, const GetOptions& options) {
  const bool nodes = options.kind == "nodes" || options.kind == "node" || options.kind == "no";
  const bool pods = options.kind == "pods" || options.kind == "pod" || options.kind == "po";
  if (!nodes && !pods) {
    return absl::InvalidArgumentError("get knows pods and nodes, not \"" + options.kind + "\"");
  }
  SLICELET_ASSIGN_OR_RETURN(const auto client, HttpsClient::Make(config));
  std::string path = "/api/v1/";
  if (pods && !options.all_namespaces) path += "namespaces/" + EncodeQuery(options.ns) + "/";
  path += nodes ? "nodes" : "pods";
  if (!options.name.empty()) path += "/" + EncodeQuery(options.name);
  SLICELET_ASSIGN_OR_RETURN(const Json answer, GetObjectAt(*client, config, path));
  if (options.output == "json") {
    std::printf("%s\n", answer.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  std::vector<Json> items;
  if (options.name.empty()) {
    for (const Json& item : GetArray(answer, "/items")) items.push_back(item);
  } else {
    items.push_back(answer);
  }
  if (options.output == "name") {
    for (const Json& item : items) {
      std::printf("%s/%s\n", nodes ? "node" : "pod", GetString(item, "/metadata/name").c_str());
    }
    return absl::OkStatus();
  }
  if (items.empty()) {
    std::fprintf(stderr, "No %s found%s.\n", nodes ? "nodes" : "pods",
                 pods && !options.all_namespaces ? (" in namespace " + options.ns).c_str() : "");
    return absl::OkStatus();
  }
  const bool wide = options.output == "wide";
  const WallTime now = SystemClock().Now();
  const auto rows = nodes ? NodeRows(items, wide, now) : PodRows(items, options.all_namespaces, wide, now);
  std::fputs(FormatTable(rows).c_str(), stdout);
  return absl::OkStatus();
}

absl::Status RunLogs(const OperatorConfig& config, const LogsOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, HttpsClient::Make(config));
  SLICELET_ASSIGN_OR_RETURN(const Location location,
                            Locate(*client, config, options.ns, options.pod, options.container));
  std::string query;
  const auto add = [&](const std::string& name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + name + "=" + EncodeQuery(value);
  };
  if (options.follow) add("follow", "true");
  if (options.previous) add("previous", "true");
  if (options.timestamps) add("timestamps", "true");
  if (options.tail) add("tailLines", std::to_string(*options.tail));
  if (options.limit_bytes) add("limitBytes", std::to_string(*options.limit_bytes));
  if (!options.since.empty()) {
    SLICELET_ASSIGN_OR_RETURN(const Duration since, ParseDuration(options.since));
    add("sinceSeconds", std::to_string(std::chrono::ceil<std::chrono::seconds>(since).count()));
  }
  if (!options.host.empty()) add("host", options.host);
  return client->Stream(location.server,
                        KubeletPath("containerLogs", options.ns, options.pod, location.container) + query,
                        [](std::string_view data) {
                          std::fwrite(data.data(), 1, data.size(), stdout);
                          std::fflush(stdout);
                        });
}

absl::StatusOr<int> RunExec(const OperatorConfig& config, const ExecCommand& options) {
  SLICELET_ASSIGN_OR_RETURN(const auto client, HttpsClient::Make(config));
  SLICELET_ASSIGN_OR_RETURN(const Location location,
                            Locate(*client, config, options.ns, options.pod, options.container));
  std::string target = KubeletPath("exec", options.ns, options.pod, location.container) + "?output=1";
  if (options.tty) {
    target += "&tty=1";
  } else {
    target += "&error=1";
  }
  if (options.stdin_open) target += "&input=1";
  if (!options.host.empty()) target += "&host=" + EncodeQuery(options.host);
  for (const std::string& word : options.command) target += "&command=" + EncodeQuery(word);
  return client->Exec(location.server, target, {.stdin_open = options.stdin_open, .tty = options.tty});
}

}  // namespace slicelet::cli
