#include "provider/rest/admin_rest.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/json/json.h"
#include "common/log/log.h"
#include "provider/rest/compat_routes.h"
#include "provider/rest/kinds.h"
#include "provider/rest/object_routes.h"
#include "provider/rest/request_check.h"
#include "provider/rest/workload_routes.h"

namespace slicelet::provider {
namespace {

/// "Authorization: Bearer", or the orchestrator's own header.
std::string TokenOf(const HttpRequest& request) {
  const std::string token = request.BearerToken();
  return token.empty() ? request.Header("token") : token;
}

std::string PathOf(const HttpRequest& request) {
  std::string path;
  for (const std::string& segment : request.target.segments) path += "/" + segment;
  return path;
}

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const auto end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool IsParameter(const std::string& part) { return part.size() > 2 && part.front() == '{'; }

RestAnswer RefuseToken() {
  RestAnswer answer = Refuse({.status = 401,
                              .reason = "Unauthenticated",
                              .error = "a valid bearer token is needed",
                              .remedy = "POST /v1/login gives one"});
  answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

RestAnswer RefuseMethod(const std::vector<std::string>& allowed) {
  std::string methods;
  for (const std::string& method : allowed) methods += (methods.empty() ? "" : ", ") + method;
  RestAnswer answer = Refuse(
      {.status = 405, .reason = "MethodNotAllowed", .error = "this path has no such method, but " + methods});
  answer.headers.emplace_back("Allow", methods);
  return answer;
}

/// One line for each attempt to change something.
void Audit(const HttpRequest& request, const std::string& user, const RestAnswer& answer) {
  if (request.method == "GET") return;
  LogInfo("admin write", {{"user", user},
                          {"method", request.method},
                          {"path", PathOf(request)},
                          {"status", answer.status},
                          {"reason", GetString(answer.body, "/reason", "-")},
                          {"address", request.address}});
}

}  // namespace

HttpResponse ToHttp(const RestAnswer& answer) {
  HttpResponse response;
  response.status = answer.status;
  response.content_type = "application/json";
  if (!answer.body.is_null()) response.body = DumpJson(answer.body) + "\n";
  response.headers = answer.headers;
  return response;
}

AdminRest::AdminRest(const AdminRestOptions& options, Dependencies dependencies)
    : dependencies_(dependencies),
      logins_(dependencies.loop, dependencies.users, dependencies.passwords, dependencies.random,
              options.token_lifetime),
      by_user_({static_cast<double>(options.requests_per_second),
                2 * static_cast<double>(options.requests_per_second)}) {}

absl::StatusOr<std::unique_ptr<AdminRest>> AdminRest::Make(const AdminRestOptions& options,
                                                           Dependencies dependencies) {
  std::unique_ptr<AdminRest> made(new AdminRest(options, dependencies));
  SLICELET_RETURN_IF_ERROR(made->AddRoutes());
  return made;
}

absl::Status AdminRest::AddRoutes() {
  Json& schemas = components_["schemas"];
  AddSharedSchemas(schemas);
  SLICELET_RETURN_IF_ERROR(AddKindSchemas(schemas));
  AddWorkloadSchemas(schemas);
  AddCompatSchemas(schemas);
  const auto add = [this](std::vector<RestRoute> more) {
    std::move(more.begin(), more.end(), std::back_inserter(routes_));
  };
  add(logins_.Routes());
  add(ObjectRoutes(dependencies_.hub));
  add(WorkloadRoutes(dependencies_.hub));
  add(CompatRoutes(dependencies_.hub, components_));
  routes_.push_back(
      {.method = "GET",
       .path = "/openapi.json",
       .id = "getOpenApi",
       .tag = "access",
       .summary = "This document.",
       .answer = "Document",
       .handle = [this](const RestCall&, const RestReply& reply) { reply({.body = document_}); }});
  document_ = OpenApiDocument(routes_, components_);
  return absl::OkStatus();
}

std::vector<AdminRest::Match> AdminRest::Find(const std::vector<std::string>& segments) const {
  std::vector<Match> matches;
  for (const RestRoute& route : routes_) {
    const auto parts = Split(route.path);
    if (parts.size() != segments.size()) continue;
    Match match{&route, {}};
    bool same = true;
    for (std::size_t i = 0; i < parts.size() && same; ++i) {
      if (IsParameter(parts[i])) {
        match.path[parts[i].substr(1, parts[i].size() - 2)] = segments[i];
      } else {
        same = parts[i] == segments[i];
      }
    }
    if (same) matches.push_back(std::move(match));
  }
  // OpenAPI 3.0, path templating: a concrete path goes before a templated one, with all its methods.
  std::size_t least = segments.size();
  for (const Match& match : matches) least = std::min(least, match.path.size());
  std::erase_if(matches, [least](const Match& match) { return match.path.size() > least; });
  return matches;
}

void AdminRest::Handle(const HttpRequest& request, const Answered& answered) {
  if (request.method == "GET" && request.target.segments == std::vector<std::string>{"healthz"}) {
    return Finish(request, answered, {.body = {{"status", "ok"}}});
  }
  const auto matches = Find(request.target.segments);
  const Match* match = nullptr;
  std::vector<std::string> allowed;
  for (const Match& found : matches) {
    allowed.push_back(found.route->method);
    if (match == nullptr && found.route->method == request.method) match = &found;
  }
  RestCall call;
  call.address = request.address;
  if (match != nullptr && match->route->access == Access::kEverybody) {
    return Carry(*match, request, std::move(call), answered);
  }
  call.token = TokenOf(request);
  const auto holder = call.token.empty() ? std::nullopt : logins_.HolderOf(call.token);
  if (!holder) return Finish(request, answered, RefuseToken());
  call.user = holder->user;
  const Duration wait = by_user_.Take(holder->user, dependencies_.loop.Now());
  if (wait > Duration::zero()) return Finish(request, answered, RefuseTooMany("too many requests", wait));
  if (matches.empty()) {
    return Finish(request, answered,
                  Refuse({.status = 404,
                          .reason = "NoSuchPath",
                          .error = "there is no path " + PathOf(request),
                          .remedy = "/openapi.json tells all of them"}));
  }
  if (match == nullptr) return Finish(request, answered, RefuseMethod(allowed));
  if (match->route->access == Access::kOperator && holder->role != Role::kOperator) {
    const RestAnswer answer =
        Refuse({.status = 403,
                .reason = "NotAnOperator",
                .error = "user " + holder->user + " is a viewer, and may only look",
                .remedy = "give the user role operator in the file that adminRest.users names"});
    Audit(request, holder->user, answer);
    return Finish(request, answered, answer);
  }
  Carry(*match, request, std::move(call), answered);
}

void AdminRest::Carry(const Match& match, const HttpRequest& request, RestCall call,
                      const Answered& answered) {
  call.path = match.path;
  std::optional<RestAnswer> refused = CheckRequest(*match.route, request, kMaxBody, components_, call);
  if (!refused && pending_ >= kMaxPending) {
    LogWarning("too many admin requests wait", {{"pending", static_cast<std::uint64_t>(pending_)}});
    refused = RefuseTooMany("too many requests wait", std::chrono::seconds(1));
  }
  if (refused) {
    if (match.route->access == Access::kOperator) Audit(request, call.user, *refused);
    return Finish(request, answered, *refused);
  }
  ++pending_;
  const bool write = match.route->access == Access::kOperator;
  // The connection may be gone by then, and with it the request.
  HttpRequest head;
  head.method = request.method;
  head.target = request.target;
  head.address = request.address;
  match.route->handle(call, lifetime_.Guard([this, head = std::move(head), user = call.user, write,
                                             answered](const RestAnswer& answer) {
    --pending_;
    if (write) Audit(head, user, answer);
    Finish(head, answered, answer);
  }));
}

void AdminRest::Finish(const HttpRequest& request, const Answered& answered, const RestAnswer& answer) {
  ++answers_[answer.status];
  LogDebug("admin request",
           {{"method", request.method}, {"path", PathOf(request)}, {"status", answer.status}});
  answered(ToHttp(answer));
}

void AdminRest::AddMetrics(MetricsPage& page) const {
  for (const auto& [status, count] : answers_) {
    page.Counter("slicelet_provider_admin_requests_total", "Answers of the admin API, by HTTP status.",
                 static_cast<double>(count), {{"status", std::to_string(status)}});
  }
}

}  // namespace slicelet::provider
