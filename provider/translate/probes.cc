#include <algorithm>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::int64_t kMaxSeconds = 2'147'483'647;
constexpr std::int64_t kMaxPort = 65'535;
/// Servers take hardly more, and the host's client none beyond 64 KiB.
constexpr std::size_t kMaxHeaderBytes = 8 * 1024;

/// A port as number or as the name of one of the container's ports.
std::int32_t ResolvePort(FieldReader& reader, const std::string& key, const v1::Container& container) {
  const nlohmann::json* value = reader.Raw(key);
  if (value == nullptr) {
    reader.Refuse(key, "is required");
    return 0;
  }
  std::int64_t port = 0;
  if (value->is_number_integer()) {
    port = value->get<std::int64_t>();
  } else if (value->is_string()) {
    const auto name = value->get<std::string>();
    const auto named = std::ranges::find(container.ports(), name, &v1::Port::name);
    if (!name.empty() && named != container.ports().end()) return named->container_port();
    if (!name.empty() && name.size() <= 5 &&
        std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      port = std::stoi(name);
    } else {
      reader.Refuse(key,
                    "\"" + name + "\" names none of the ports of container \"" + container.name() + "\"");
      return 0;
    }
  }
  if (port < 1 || port > kMaxPort)
    reader.Refuse(key, "is " + Shown(*value) + ", should be a port from 1 to 65535");
  return static_cast<std::int32_t>(port);
}

/// Reads the action of a probe or hook; false when there is none.
bool TranslateAction(FieldReader& from, const v1::Container& container, v1::Handler& out) {
  int actions = 0;
  if (from.Has("exec")) {
    ++actions;
    FieldReader exec = from.Object("exec");
    for (std::string& word : exec.Strings("command")) out.mutable_exec()->add_command(std::move(word));
    if (out.exec().command().empty()) exec.Refuse("command", "is required");
  }
  if (from.Has("httpGet")) {
    ++actions;
    FieldReader http = from.Object("httpGet");
    auto& get = *out.mutable_http_get();
    get.set_host(http.String("host"));
    get.set_port(ResolvePort(http, "port", container));
    get.set_path(http.String("path", "/"));
    const std::string scheme = http.String("scheme", "HTTP");
    if (scheme != "HTTP" && scheme != "HTTPS") {
      http.Refuse("scheme", "is \"" + scheme + "\", should be HTTP or HTTPS");
    }
    get.set_https(scheme == "HTTPS");
    http.Each("httpHeaders", [&](FieldReader& header) {
      const std::string name = header.RequiredString("name");
      std::string& value = (*get.mutable_headers())[name];
      // A repeated header is the same as one with a list of values (RFC 9110, section 5.3).
      value += (value.empty() ? "" : ", ") + header.String("value");
      const std::size_t bytes = name.size() + value.size();
      if (bytes > kMaxHeaderBytes)
        header.Refuse("value", "makes a header of " + std::to_string(bytes) + " bytes, at most " +
                                   std::to_string(kMaxHeaderBytes) + " are sent");
    });
  }
  if (from.Has("tcpSocket")) {
    ++actions;
    FieldReader tcp = from.Object("tcpSocket");
    out.mutable_tcp_socket()->set_host(tcp.String("host"));
    out.mutable_tcp_socket()->set_port(ResolvePort(tcp, "port", container));
  }
  if (from.Has("grpc")) {
    ++actions;
    FieldReader grpc = from.Object("grpc");
    out.mutable_grpc()->set_port(ResolvePort(grpc, "port", container));
    out.mutable_grpc()->set_service(grpc.String("service"));
  }
  if (from.Has("sleep")) {
    ++actions;
    FieldReader sleep = from.Object("sleep");
    out.set_sleep_seconds(sleep.Int("seconds", 0, 0, kMaxSeconds));
  }
  if (actions > 1) from.diagnosis().Refuse(from.path(), kInvalidPod, "has more than one action");
  return actions > 0;
}

}  // namespace

void TranslateProbe(FieldReader& probe, const v1::Container& container, v1::Probe& out) {
  if (!TranslateAction(probe, container, *out.mutable_handler())) {
    probe.diagnosis().Refuse(probe.path(), kInvalidPod, "needs one of exec, httpGet, tcpSocket and grpc");
  }
  if (out.handler().has_sleep_seconds()) probe.Refuse("sleep", "is for lifecycle hooks only");
  const auto seconds = [&](const char* key, std::int64_t otherwise, std::int64_t lowest) {
    // 0 stands for the default, as in the API server.
    const std::int64_t value = probe.Int(key, 0, 0, kMaxSeconds);
    return static_cast<std::int32_t>(std::max(value == 0 ? otherwise : value, lowest));
  };
  out.set_initial_delay_seconds(seconds("initialDelaySeconds", 0, 0));
  out.set_timeout_seconds(seconds("timeoutSeconds", 1, 1));
  out.set_period_seconds(seconds("periodSeconds", 10, 1));
  out.set_success_threshold(seconds("successThreshold", 1, 1));
  out.set_failure_threshold(seconds("failureThreshold", 3, 1));
  if (const auto grace = probe.OptionalInt("terminationGracePeriodSeconds", 1, kMaxSeconds)) {
    out.set_termination_grace_seconds(*grace);
  }
}

void TranslateHook(FieldReader& hook, const v1::Container& container, v1::Handler& out) {
  if (!TranslateAction(hook, container, out)) {
    hook.diagnosis().Refuse(hook.path(), kInvalidPod, "needs one of exec, httpGet and sleep");
  }
  if (out.has_tcp_socket()) hook.Refuse("tcpSocket", "is for probes only: no kubelet runs it as a hook");
  if (out.has_grpc()) hook.Refuse("grpc", "is for probes only");
}

}  // namespace slicelet::provider
