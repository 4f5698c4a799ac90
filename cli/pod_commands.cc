#include "cli/pod_commands.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "cli/https_client.h"
#include "cli/table.h"
#include "common/base/encoding.h"
#include "common/config/config_reader.h"
#include "common/json/json.h"

namespace slicelet::cli {
namespace {

std::string PodPath(const std::string& ns, const std::string& name) {
  return "/api/v1/namespaces/" + PercentEncode(ns) + "/pods/" + PercentEncode(name);
}

/// What a shim says that has no objects of its own.
constexpr char kNoDirectory[] = "404 page not found";

/// Who is asked for objects, and how.
struct Api {
  std::unique_ptr<HttpsClient> client;
  /// HOST:PORT.
  std::string server;
  /// Before every path.
  std::string prefix;
  bool cluster = false;
  std::string ns = "default";

  absl::StatusOr<Json> Get(const std::string& path) const {
    const absl::StatusOr<std::string> body = client->Get(server, prefix + path);
    if (!cluster && absl::IsNotFound(body.status()) && Message(body.status()) == kNoDirectory) {
      return absl::FailedPreconditionError(
          "the shim of this hub serves no directory of pods, because the hub has a cluster: name that with "
          "--kubeconfig FILE");
    }
    if (!body.ok()) return body.status();
    return ParseJson(*body);
  }
};

absl::StatusOr<Api> OpenApi(const OperatorConfig& config) {
  SLICELET_ASSIGN_OR_RETURN(auto client, HttpsClient::Make(config));
  return Api{.client = std::move(client), .server = config.shim, .prefix = ""};
}

absl::StatusOr<Api> OpenApi(const kube::KubeConfig& config) {
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(auto client, HttpsClient::Make(config, *files));
  Api api{.client = std::move(client), .server = "", .prefix = "", .cluster = true, .ns = config.ns};
  const std::string address = config.server.substr(std::string("https://").size());
  const auto slash = address.find('/');
  api.server = address.substr(0, slash);
  if (slash != std::string::npos) api.prefix = address.substr(slash);
  // Behind an IPv6 address there is a colon without a port.
  const auto colon = api.server.rfind(':');
  if (colon == std::string::npos || api.server.back() == ']') api.server += ":443";
  return api;
}

absl::StatusOr<Api> OpenApi(const PodSource& source) {
  return std::visit([](const auto& config) { return OpenApi(config); }, source);
}

/// Where a container's kubelet API is, and which container is meant.
struct Location {
  std::string server;
  /// Before every path.
  std::string prefix;
  std::string container;
};

absl::StatusOr<Location> Locate(const Api& api, const std::string& ns, const std::string& pod_name,
                                const std::string& container) {
  SLICELET_ASSIGN_OR_RETURN(const Json pod, api.Get(PodPath(ns, pod_name)));
  Location location{.server = "", .prefix = "", .container = container};
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
  const std::string node_path = "/api/v1/nodes/" + PercentEncode(node_name);
  if (api.cluster) {
    location.server = api.server;
    location.prefix = api.prefix + node_path + "/proxy";
    return location;
  }
  SLICELET_ASSIGN_OR_RETURN(const Json node, api.Get(node_path));
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
  return "/" + verb + "/" + PercentEncode(ns) + "/" + PercentEncode(pod) + "/" + PercentEncode(container);
}

/// Of a call through a cluster's node: says what it needs.
absl::Status WithRight(const Api& api, const absl::Status& status) {
  if (!api.cluster || !absl::IsPermissionDenied(status)) return status;
  return absl::PermissionDeniedError(Message(status) + "; --host needs a right to nodes/proxy");
}

/// "?a=1&b=2"
class Query {
 public:
  void Add(const std::string& name, const std::string& value) {
    text_ += (text_.empty() ? "?" : "&") + name + "=" + PercentEncode(value);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

absl::Status RunGet(const OperatorConfig& config, const GetOptions& options) {
  const bool nodes = options.kind == "nodes" || options.kind == "node" || options.kind == "no";
  const bool pods = options.kind == "pods" || options.kind == "pod" || options.kind == "po";
  if (!nodes && !pods) {
    return absl::InvalidArgumentError("get knows pods and nodes, not \"" + options.kind + "\"");
  }
  SLICELET_ASSIGN_OR_RETURN(const Api api, OpenApi(config));
  std::string path = "/api/v1/";
  if (pods && !options.all_namespaces) path += "namespaces/" + PercentEncode(options.ns) + "/";
  path += nodes ? "nodes" : "pods";
  if (!options.name.empty()) path += "/" + PercentEncode(options.name);
  SLICELET_ASSIGN_OR_RETURN(const Json answer, api.Get(path));
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

absl::Status RunLogs(const PodSource& source, const LogsOptions& options) {
  SLICELET_ASSIGN_OR_RETURN(const Api api, OpenApi(source));
  const std::string& ns = options.ns.empty() ? api.ns : options.ns;
  SLICELET_ASSIGN_OR_RETURN(const Location location, Locate(api, ns, options.pod, options.container));
  Query query;
  if (options.follow) query.Add("follow", "true");
  if (options.previous) query.Add("previous", "true");
  if (options.timestamps) query.Add("timestamps", "true");
  if (options.tail) query.Add("tailLines", std::to_string(*options.tail));
  if (options.limit_bytes) query.Add("limitBytes", std::to_string(*options.limit_bytes));
  if (!options.since.empty()) {
    SLICELET_ASSIGN_OR_RETURN(const Duration since, ParseDuration(options.since));
    query.Add("sinceSeconds", std::to_string(std::chrono::ceil<std::chrono::seconds>(since).count()));
  }
  const auto print = [](std::string_view data) {
    std::fwrite(data.data(), 1, data.size(), stdout);
    std::fflush(stdout);
  };
  if (api.cluster && options.host.empty()) {
    query.Add("container", location.container);
    return api.client->Stream(api.server, api.prefix + PodPath(ns, options.pod) + "/log" + query.text(),
                              print);
  }
  if (!options.host.empty()) query.Add("host", options.host);
  const std::string target =
      location.prefix + KubeletPath("containerLogs", ns, options.pod, location.container) + query.text();
  return WithRight(api, api.client->Stream(location.server, target, print));
}

absl::StatusOr<int> RunExec(const PodSource& source, const ExecCommand& options) {
  SLICELET_ASSIGN_OR_RETURN(const Api api, OpenApi(source));
  if (api.cluster && !options.host.empty()) {
    return absl::UnimplementedError(
        "exec can not name a host through an API server, whose proxy of nodes leaves out what is behind the "
        "\"?\" "
        "of such a request; without --host it runs on the first host that is ready");
  }
  const std::string& ns = options.ns.empty() ? api.ns : options.ns;
  SLICELET_ASSIGN_OR_RETURN(const Location location, Locate(api, ns, options.pod, options.container));
  // The API server's words for what the kubelet calls input, output and error.
  const std::string yes = api.cluster ? "true" : "1";
  Query query;
  query.Add(api.cluster ? "stdout" : "output", yes);
  // A terminal has one output.
  if (options.tty)
    query.Add("tty", yes);
  else
    query.Add(api.cluster ? "stderr" : "error", yes);
  if (options.stdin_open) query.Add(api.cluster ? "stdin" : "input", yes);
  if (api.cluster) query.Add("container", location.container);
  if (!options.host.empty()) query.Add("host", options.host);
  for (const std::string& word : options.command) query.Add("command", word);
  const std::string target = api.cluster ? api.prefix + PodPath(ns, options.pod) + "/exec"
                                         : KubeletPath("exec", ns, options.pod, location.container);
  return api.client->Exec(api.cluster ? api.server : location.server, target + query.text(),
                          {.stdin_open = options.stdin_open, .tty = options.tty});
}

}  // namespace slicelet::cli
