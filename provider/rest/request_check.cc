#include "provider/rest/request_check.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "common/json/json.h"
#include "kube/object.h"
#include "provider/rest/schema.h"

namespace slicelet::provider {
namespace {

constexpr char kJsonType[] = "application/json";

/// "application/json; charset=utf-8" is "application/json".
std::string MediaType(const HttpRequest& request) {
  std::string type = request.Header("content-type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type;
}

/// What a parameter's text stands for: a number where one is asked for and given.
Json ParameterValue(const Json& schema, const std::string& text) {
  if (kube::TextAt(schema, {"type"}) != "integer") return text;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return text;
  return number;
}

void CheckParameter(const std::string& in, const std::string& name, const std::string& text,
                    const Json& components, std::vector<Violation>& found) {
  const Json& schema = ParameterSchema(name);
  const auto problems = CheckValue(schema, ParameterValue(schema, text), in + "." + name, components);
  found.insert(found.end(), problems.begin(), problems.end());
}

void CheckQuery(const RestRoute& route, const HttpRequest& request, const Json& components, RestCall& call,
                std::vector<Violation>& found) {
  for (const auto& [name, text] : request.target.query) {
    if (std::find(route.query.begin(), route.query.end(), name) == route.query.end()) {
      found.push_back({"query." + name, "is unknown here"});
    } else if (!call.query.emplace(name, text).second) {
      found.push_back({"query." + name, "is given twice"});
    } else {
      CheckParameter("query", name, text, components, found);
    }
    if (found.size() >= kMaxViolations) return;
  }
}

void CheckHeaders(const RestRoute& route, const HttpRequest& request, const Json& components, RestCall& call,
                  std::vector<Violation>& found) {
  for (const auto& [name, text] : request.headers) {
    if (std::find(route.headers.begin(), route.headers.end(), name) == route.headers.end()) continue;
    if (!call.headers.emplace(name, text).second) {
      found.push_back({"header." + name, "is given twice"});
    } else {
      CheckParameter("header", name, text, components, found);
    }
    if (found.size() >= kMaxViolations) return;
  }
}

std::optional<RestAnswer> ReadBody(const RestRoute& route, const HttpRequest& request, std::size_t max_body,
                                   const Json& components, RestCall& call) {
  if (request.body.size() > max_body) {
    return Refuse({.status = 413,
                   .reason = "BodyTooLong",
                   .error = "the body has " + std::to_string(request.body.size()) + " bytes, more than " +
                            std::to_string(max_body)});
  }
  if (MediaType(request) != kJsonType) {
    return Refuse({.status = 415,
                   .reason = "NotJson",
                   .error = "the content type is \"" + MediaType(request) + "\", not application/json",
                   .field = "content-type",
                   .remedy = "send header Content-Type: application/json"});
  }
  auto body = ParseJsonStrictly(request.body);
  if (!body.ok()) return RefuseInput({{"body", Message(body.status())}});
  call.body = *std::move(body);
  const auto problems =
      CheckValue({{"$ref", "#/components/schemas/" + route.request}}, call.body, "", components);
  if (!problems.empty()) return RefuseInput(problems);
  return std::nullopt;
}

}  // namespace

std::optional<RestAnswer> CheckRequest(const RestRoute& route, const HttpRequest& request,
                                       std::size_t max_body, const Json& components, RestCall& call) {
  std::vector<Violation> found;
  for (const auto& [name, text] : call.path) CheckParameter("path", name, text, components, found);
  CheckQuery(route, request, components, call, found);
  CheckHeaders(route, request, components, call, found);
  if (!found.empty()) return RefuseInput(found);
  if (!route.request.empty()) return ReadBody(route, request, max_body, components, call);
  return std::nullopt;
}

}  // namespace slicelet::provider
