#include "kubelet-shim/api/kubelet_api.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"
#include "kubelet-shim/api/directory_routes.h"
#include "kubelet-shim/api/log_options.h"
#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {
namespace {

using Exchange = std::shared_ptr<HttpExchange>;

void Answer(const Exchange& exchange, int status, const std::string& message) {
  exchange->Respond({.status = status, .body = message, .headers = {}});
}

/// True when the method is one of these; else the answer is 405.
bool Allows(const Exchange& exchange, const std::vector<std::string>& methods) {
  if (std::find(methods.begin(), methods.end(), exchange->request().method) != methods.end()) return true;
  std::string allowed;
  for (const auto& method : methods) allowed += (allowed.empty() ? "" : ", ") + method;
  exchange->Respond({.status = 405, .body = "405: Method Not Allowed\n", .headers = {{"Allow", allowed}}});
  return false;
}

void AnswerPods(const Exchange& exchange, std::vector<kube::Json> pods) {
  HttpResponse response;
  response.content_type = "application/json";
  response.body = DumpJson(
      {{"kind", "PodList"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"items", std::move(pods)}});
  exchange->Respond(std::move(response));
}

bool IsOne(const RequestTarget& target, const char* key) { return target.Query(key) == "1"; }

/// What the runtime's streaming server needs of the request to upgrade it.
v1::UpgradeTarget ReadUpgrade(const HttpRequest& request) {
  v1::UpgradeTarget upgrade;
  upgrade.set_method(request.method);
  for (const auto& [name, value] : request.headers) {
    if (name != "connection" && name != "upgrade" && name != "x-stream-protocol-version" &&
        name.rfind("sec-websocket-", 0) != 0) {
      continue;
    }
    auto* header = upgrade.add_headers();
    header->set_name(name);
    header->set_value(value);
  }
  return upgrade;
}

/// The client offers the WebSocket subprotocol that no container runtime knows, and that must be translated.
bool OffersChannels(const HttpRequest& request) {
  const auto list = [&](const std::string& name) {
    std::string all;
    for (const auto& [header, value] : request.headers) {
      if (header == name) all += "," + value;
    }
    all.erase(std::remove(all.begin(), all.end(), ' '), all.end());
    return all + ",";
  };
  const auto contains = [](const std::string& list, const std::string& word) {
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    return std::search(list.begin(), list.end(), word.begin(), word.end(), same) != list.end();
  };
  return request.method == "GET" && contains(list("upgrade"), ",websocket,") &&
         contains(list("sec-websocket-protocol"), std::string(",") + kChannelsV5 + ",");
}

/// What the runtime is asked for in the place of it.
void AskForSpdy(v1::UpgradeTarget& upgrade) {
  upgrade.set_method("POST");
  upgrade.clear_headers();
  for (const auto& [name, value] : {std::pair("connection", "Upgrade"), std::pair("upgrade", "SPDY/3.1"),
                                    std::pair("x-stream-protocol-version", "v4.channel.k8s.io")}) {
    auto* header = upgrade.add_headers();
    header->set_name(name);
    header->set_value(value);
  }
}

/// InvalidArgument when the streams that are asked for make no sense.
absl::Status ReadStreams(const RequestTarget& target, v1::UpgradeTarget& upgrade) {
  upgrade.set_stdin(IsOne(target, "input"));
  upgrade.set_stdout(IsOne(target, "output"));
  upgrade.set_tty(IsOne(target, "tty"));
  // A terminal has no stream for errors of its own.
  upgrade.set_stderr(IsOne(target, "error") && !upgrade.tty());
  if (upgrade.stdin() || upgrade.stdout() || upgrade.stderr()) return absl::OkStatus();
  return absl::InvalidArgumentError("you must specify at least 1 of stdin, stdout, stderr");
}

absl::Status ReadPorts(const RequestTarget& target, v1::UpgradeTarget& upgrade) {
  for (const auto& text : target.QueryAll("port")) {
    // A WebSocket client may list several in one value.
    std::size_t begin = 0;
    while (begin <= text.size()) {
      const auto end = std::min(text.find(',', begin), text.size());
      const auto item = text.substr(begin, end - begin);
      const bool digits =
          !item.empty() && item.size() <= 5 && item.find_first_not_of("0123456789") == std::string::npos;
      const int port = digits ? std::stoi(item) : 0;
      if (port < 1 || port > 65'535)
        return absl::InvalidArgumentError("port \"" + item + "\" is not a port number");
      upgrade.add_ports(port);
      begin = end + 1;
    }
  }
  return absl::OkStatus();
}

}  // namespace

KubeletApi::KubeletApi(AccessRules rules, Dependencies dependencies)
    : rules_(std::move(rules)), dependencies_(std::move(dependencies)) {}

KubeletApi::~KubeletApi() = default;

void KubeletApi::Handle(const std::shared_ptr<HttpExchange>& exchange) {
  const auto& request = exchange->request();
  const auto status = Authorize(rules_, request);
  if (status.ok()) return Route(exchange);
  if (dependencies_.cluster == nullptr) return Refuse(exchange, status);
  dependencies_.cluster->Check(request, lifetime_.Guard([this, exchange](const absl::Status& allowed) {
    if (!allowed.ok()) return Refuse(exchange, allowed);
    Route(exchange);
  }));
}

void KubeletApi::Refuse(const Exchange& exchange, const absl::Status& status) {
  if (absl::IsUnauthenticated(status)) return Answer(exchange, 401, Message(status));
  LogWarning("refused a request", {{"node", exchange->request().listener}, {"why", Message(status)}});
  Answer(exchange, absl::IsPermissionDenied(status) ? 403 : 503, Message(status));
}

void KubeletApi::Route(const Exchange& exchange) {
  const auto& request = exchange->request();
  const auto& path = request.target.segments;
  const auto is = [&](std::initializer_list<const char*> segments) {
    return std::equal(path.begin(), path.end(), segments.begin(), segments.end());
  };
  if (is({"healthz"}) || is({"healthz", "ping"}) || is({"healthz", "log"}) || is({"healthz", "syncloop"})) {
    if (Allows(exchange, {"GET"})) Answer(exchange, 200, "ok");
  } else if (is({"pods"})) {
    if (Allows(exchange, {"GET"})) ListPods(exchange, &NodePods::Pods);
  } else if (is({"runningpods", ""}) || is({"runningpods"})) {
    if (Allows(exchange, {"GET"})) ListPods(exchange, &NodePods::RunningPods);
  } else if (path.size() == 4 && path[0] == "containerLogs") {
    if (Allows(exchange, {"GET"})) Logs(exchange);
    // One line for each shape of path. NOLINTNEXTLINE(bugprone-branch-clone)
  } else if ((path.size() == 4 || path.size() == 5) && (path[0] == "exec" || path[0] == "attach")) {
    if (Allows(exchange, {"GET", "POST"})) Upgrade(exchange);
  } else if ((path.size() == 3 || path.size() == 4) && path[0] == "portForward") {
    if (Allows(exchange, {"GET", "POST"})) Upgrade(exchange);
  } else if (dependencies_.directory != nullptr && path[0] == "api") {
    if (!Allows(exchange, {"GET"})) return;
    if (!ServeDirectory(*dependencies_.directory, exchange)) Answer(exchange, 404, "404 page not found\n");
  } else {
    Answer(exchange, 404, "404 page not found\n");
  }
}

std::vector<std::string> KubeletApi::NodesOf(const HttpRequest& request) const {
  if (request.listener.empty()) return dependencies_.pods.Nodes();
  return {request.listener};
}

void KubeletApi::ListPods(const Exchange& exchange, PodsOfNode pods) const {
  std::vector<kube::Json> all;
  for (const auto& node : NodesOf(exchange->request())) {
    for (auto& pod : (dependencies_.pods.*pods)(node)) all.push_back(std::move(pod));
  }
  AnswerPods(exchange, std::move(all));
}

void KubeletApi::Logs(const Exchange& exchange) {
  const auto& request = exchange->request();
  auto options = ReadLogOptions(request.target);
  if (!options.ok()) {
    return Answer(exchange, absl::IsFailedPrecondition(options.status()) ? 422 : 400,
                  Message(options.status()) + "\n");
  }
  const auto& path = request.target.segments;
  v1::StreamHead head;
  head.set_namespace_(path[1]);
  head.set_pod(path[2]);
  head.set_container(path[3]);
  // slicectl names one host of a fleet node.
  head.set_host(request.target.Query("host").value_or(""));
  *head.mutable_logs() = std::move(*options);
  Start<LogSession>(exchange, std::move(head));
}

void KubeletApi::Upgrade(const Exchange& exchange) {
  const auto& request = exchange->request();
  const auto& path = request.target.segments;
  const bool port_forward = path[0] == "portForward";
  v1::StreamHead head;
  head.set_namespace_(path[1]);
  head.set_pod(path[2]);
  if (path.size() == (port_forward ? 4U : 5U)) head.set_uid(path[3]);
  if (!port_forward) head.set_container(path.back());

  head.set_host(request.target.Query("host").value_or(""));

  auto upgrade = ReadUpgrade(request);
  const auto status =
      port_forward ? ReadPorts(request.target, upgrade) : ReadStreams(request.target, upgrade);
  if (!status.ok()) return Answer(exchange, 400, Message(status) + "\n");
  const bool channels = !port_forward && OffersChannels(request);
  const ChannelTranslator::Streams streams{upgrade.stdin(), upgrade.stdout(), upgrade.stderr(),
                                           upgrade.tty()};
  if (channels) AskForSpdy(upgrade);
  if (port_forward) {
    *head.mutable_port_forward() = std::move(upgrade);
  } else if (path[0] == "attach") {
    *head.mutable_attach() = std::move(upgrade);
  } else {
    for (const auto& word : request.target.QueryAll("command")) upgrade.add_command(word);
    *head.mutable_exec() = std::move(upgrade);
  }
  if (!request.upgrade)
    return Answer(exchange, 400, "unable to upgrade: missing upgrade headers in request\n");
  if (!channels) return Start<UpgradeSession>(exchange, std::move(head));
  const std::string& key = request.Header("sec-websocket-key");
  if (key.empty() || request.Header("sec-websocket-version") != "13")
    return Answer(exchange, 400, "a WebSocket needs a Sec-WebSocket-Key and Sec-WebSocket-Version 13\n");
  Start<ChannelSession>(exchange, std::move(head), ChannelTranslator(streams, key));
}

template <typename Session, typename... More>
void KubeletApi::Start(const Exchange& exchange, v1::StreamHead head, More&&... more) {
  absl::StatusOr<std::string> uid = absl::NotFoundError("no node is served here");
  for (const auto& node : NodesOf(exchange->request())) {
    head.set_node(node);
    uid = dependencies_.pods.FindContainer(node, head.namespace_(), head.pod(), head.uid(), head.container());
    if (uid.ok()) break;
  }
  if (!uid.ok()) return Answer(exchange, 404, Message(uid.status()) + "\n");
  if (sessions_.size() >= kMaxStreams) {
    LogWarning("too many streams",
               {{"node", head.node()}, {"limit", static_cast<std::uint64_t>(kMaxStreams)}});
    return exchange->Respond(
        {.status = 429, .body = "too many streams\n", .headers = {{"Retry-After", "60"}}});
  }
  head.set_uid(*uid);
  const auto id = next_session_++;
  auto session = std::make_shared<Session>(
      StreamSession::Parts{dependencies_.loop, exchange, dependencies_.open_stream(),
                           lifetime_.Guard([this, id] { sessions_.erase(id); })},
      std::forward<More>(more)...);
  sessions_.emplace(id, session);
  session->Start(head);
}

}  // namespace slicelet::shim
