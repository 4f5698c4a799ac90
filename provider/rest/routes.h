#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "provider/rest/answer.h"

namespace slicelet::provider {

/// Who may call a route.
enum class Access {
  kEverybody,  // without a token
  kViewer,
  kOperator,
};

/// A request that was let in: its parameters and its body fit what the route documents.
struct RestCall {
  std::map<std::string, std::string> path;
  std::map<std::string, std::string> query;
  /// Those that the route documents, by their name in lower case.
  std::map<std::string, std::string> headers;
  Json body;
  std::string user;
  std::string token;
  std::string address;

  [[nodiscard]] std::string Query(const std::string& name) const {
    const auto it = query.find(name);
    return it == query.end() ? "" : it->second;
  }
  [[nodiscard]] std::string Header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

/// One method of one path: what it does, and what its users are told of it. The OpenAPI document is made of
/// these, and so is every check of a request.
struct RestRoute {
  std::string method;
  /// "/v1/hosts/{name}". What a parameter may be goes by its name (ParameterSchema).
  std::string path;
  /// Unique; the OpenAPI operationId.
  std::string id;
  std::string tag;
  std::string summary;
  Access access = Access::kViewer;
  std::vector<std::string> query{};
  /// In lower case; others are nobody's business.
  std::vector<std::string> headers{};
  /// The schema of the body; empty: there is none.
  std::string request{};
  /// The status of success and its schema. 0: there is no success; empty: no body.
  int success = 200;
  std::string answer{};
  /// The statuses of refusals that the route itself may give, beside those of every route of its sort.
  std::set<int> refusals{};
  std::function<void(const RestCall&, RestReply)> handle{};
};

/// What a parameter of this name may be: of a path, a query or a header.
const Json& ParameterSchema(const std::string& name);

/// Every status but success that the route may answer with.
std::set<int> RefusalsOf(const RestRoute& route);

/// Adds the schemas that routes share: Error, Deletion, Session and so on.
void AddSharedSchemas(Json& schemas);

/// The OpenAPI 3.0 document of the routes.
Json OpenApiDocument(const std::vector<RestRoute>& routes, const Json& components);

}  // namespace slicelet::provider
