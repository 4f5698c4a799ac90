#include "tests/stand-ins/fiware/service.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace slicelet::fiware {

Scope ScopeOf(const HttpRequest& request) {
  return {request.Header("fiware-service"), request.Header("fiware-servicepath")};
}

std::map<std::string, std::string> Headers(const Scope& scope) {
  std::map<std::string, std::string> headers;
  if (!scope.tenant.empty()) headers["fiware-service"] = scope.tenant;
  if (!scope.path.empty()) headers["fiware-servicepath"] = scope.path;
  return headers;
}

HttpResponse Answer(int status, const Json& body) { return {status, body.dump()}; }

HttpResponse Refuse(int status, const std::string& error, const std::string& description) {
  return Answer(status, {{"error", error}, {"description", description}});
}

void Serve(int port, const HttpHandler& handler) {
  Log("INFO", "serving on port " + std::to_string(port));
  stand_ins::ServeHttp(port, [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    try {
      if (auto answer = handler(request)) return answer;
      return Refuse(404, "NotFound", "no " + request.method + " " + request.path);
    } catch (const Json::exception& bad) {
      return Refuse(400, "ParseError", bad.what());
    } catch (const std::exception& failed) {
      return Refuse(500, "InternalServerError", failed.what());
    }
  });
  Die(1, "port " + std::to_string(port) + " can not be opened");
}

Endpoint EndpointOf(const std::string& url) {
  const auto scheme = url.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::string place = url.substr(begin, url.find('/', begin) - begin);
  const auto colon = place.find(':');
  if (colon == std::string::npos) return {place, 80};
  return {place.substr(0, colon), std::atoi(place.c_str() + colon + 1)};
}

std::string Timestamp() {
  const std::int64_t now = stand_ins::NowNanos();
  const std::time_t seconds = now / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(now / 1'000'000 % 1'000));
  return text;
}

std::map<std::string, std::string> Options(int argc, char** argv, const std::vector<std::string>& flags,
                                           const std::vector<std::string>& valued, int exit_code) {
  const auto listed = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::map<std::string, std::string> options;
  for (int i = 0; i < argc; ++i) {
    const std::string text = argv[i];
    const auto equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (listed(flags, name) && equals == std::string::npos) {
      options[name] = "true";
    } else if (listed(valued, name) && equals != std::string::npos) {
      options[name] = text.substr(equals + 1);
    } else if (listed(valued, name) && i + 1 < argc) {
      options[name] = argv[++i];
    } else {
      Die(exit_code, "'" + text + "' is no option of this version");
    }
  }
  return options;
}

}  // namespace slicelet::fiware
