#include "provider/rest/routes.h"

#include <cctype>

namespace slicelet::provider {
namespace {

constexpr char kCompat[] = "/compat/";

const std::map<int, const char*>& Meanings() {
  static const auto* const kMeanings = new std::map<int, const char*>{
      {200, "Done."},
      {201, "Made."},
      {202, "Accepted: it goes once everything that was made for it is undone."},
      {204, "Done."},
      {400, "The request does not fit this document; the error names the field."},
      {401, "No valid token, or a wrong name or password."},
      {403, "The user is a viewer, or Kubernetes does not let the provider do it."},
      {404, "There is no such thing."},
      {409, "It exists already, has changed meanwhile, or is not ready for this."},
      {413, "The body is too long."},
      {415, "The body is not application/json."},
      {422, "It fits this document, and yet its values cannot be so; the error names the field."},
      {429, "Too many requests or logins; Retry-After says when to try again."},
      {500, "What this needs cannot be reached; the reason is ECONNREFUSED."},
      {501, "This provider cannot do it; the error says why."},
      {503, "Kubernetes cannot be reached, or too much waits for it; Retry-After says when to try again."},
  };
  return *kMeanings;
}

Json Content(const std::string& schema) {
  return {{"application/json", {{"schema", {{"$ref", "#/components/schemas/" + schema}}}}}};
}

Json Parameter(const std::string& name, const char* in) {
  Json schema = ParameterSchema(name);
  Json parameter = {{"name", name}, {"in", in}, {"required", in == std::string_view("path")}};
  if (schema.contains("description")) parameter["description"] = schema["description"];
  schema.erase("description");
  parameter["schema"] = std::move(schema);
  return parameter;
}

Json Parameters(const RestRoute& route) {
  Json parameters = Json::array();
  for (auto at = route.path.find('{'); at != std::string::npos; at = route.path.find('{', at + 1)) {
    parameters.push_back(Parameter(route.path.substr(at + 1, route.path.find('}', at) - at - 1), "path"));
  }
  for (const std::string& name : route.query) parameters.push_back(Parameter(name, "query"));
  for (const std::string& name : route.headers) parameters.push_back(Parameter(name, "header"));
  return parameters;
}

Json Responses(const RestRoute& route) {
  Json responses;
  if (route.success != 0) {
    Json& good = responses[std::to_string(route.success)];
    good["description"] = Meanings().at(route.success);
    if (!route.answer.empty()) good["content"] = Content(route.answer);
  }
  for (const int status : RefusalsOf(route)) {
    Json& refusal = responses[std::to_string(status)];
    refusal = {{"description", Meanings().at(status)}, {"content", Content("Error")}};
    if (status == 429 || status == 503) {
      refusal["headers"]["Retry-After"] = {{"description", "Seconds."}, {"schema", {{"type", "integer"}}}};
    }
  }
  return responses;
}

Json Operation(const RestRoute& route) {
  Json operation = {{"operationId", route.id},
                    {"tags", {route.tag}},
                    {"summary", route.summary},
                    {"parameters", Parameters(route)},
                    {"responses", Responses(route)}};
  if (!route.request.empty()) {
    operation["requestBody"] = {{"required", true}, {"content", Content(route.request)}};
  }
  if (route.access == Access::kEverybody) {
    operation["security"] = Json::array();
  } else if (route.path.rfind(kCompat, 0) == 0) {
    operation["security"] = {{{"bearer", Json::array()}}, {{"token", Json::array()}}};
  }
  return operation;
}

Json Name(const char* description, int most, const char* pattern) {
  return {{"type", "string"},
          {"minLength", 1},
          {"maxLength", most},
          {"pattern", pattern},
          {"description", description}};
}

Json Truth(const char* description) {
  return {{"type", "string"}, {"enum", {"true", "false"}}, {"description", description}};
}

}  // namespace

const Json& ParameterSchema(const std::string& name) {
  static constexpr char kLabel[] = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
  static constexpr char kSubdomain[] = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
  static const auto* const kSchemas = new std::map<std::string, Json>{
      {"name", Name("The object's name.", 63, kLabel)},
      {"slice", Name("An IotSlice.", 63, kLabel)},
      {"namespace", Name("A namespace.", 63, kLabel)},
      {"pod", Name("A pod's name.", 253, kSubdomain)},
      {"cluster", Name("An IotCluster.", 63, kLabel)},
      {"enabler", Name("SLICE.gateway.NAME or SLICE.server.NAME.", 200, kSubdomain)},
      {"id", Name("A chart repository.", 200, "^[A-Za-z0-9._-]+$")},
      {"limit",
       {{"type", "integer"}, {"minimum", 1}, {"maximum", 500}, {"description", "At most so many; 100."}}},
      {"giveUp", Truth("Do not wait for a party that never comes back (annotation slicelet.io/give-up).")},
      {"force", Truth("Delete it though it is in use; what cannot be undone is given up on.")},
      {"continue", Name("Where the list before ended.", 400, "^([0-9a-f][0-9a-f])+$")},
  };
  return kSchemas->at(name);
}

std::set<int> RefusalsOf(const RestRoute& route) {
  std::set<int> statuses = route.refusals;
  statuses.insert({400, 401, 429});
  if (route.access == Access::kOperator) statuses.insert(403);
  if (!route.request.empty()) statuses.insert({413, 415});
  return statuses;
}

void AddSharedSchemas(Json& schemas) {
  const Json text = {{"type", "string"}};
  const auto object = [](Json properties, Json required) {
    return Json{{"type", "object"},
                {"additionalProperties", false},
                {"properties", std::move(properties)},
                {"required", std::move(required)}};
  };
  const Json violations = {{"type", "array"},
                           {"items", object({{"field", text}, {"error", text}}, {"field", "error"})}};
  schemas["Error"] = object({{"error", {{"type", "string"}, {"description", "For people."}}},
                             {"reason", {{"type", "string"}, {"description", "For programs."}}},
                             {"field", {{"type", "string"}, {"description", "Which value is wrong."}}},
                             {"remedy", {{"type", "string"}, {"description", "What to do about it."}}},
                             {"violations", violations}},
                            {"error", "reason"});
  const Json word = {{"type", "string"}, {"minLength", 1}, {"maxLength", 256}};
  schemas["Login"] = object({{"username", word}, {"password", word}}, {"username", "password"});
  schemas["Session"] = object({{"token", text},
                               {"user", text},
                               {"role", {{"type", "string"}, {"enum", {"viewer", "operator"}}}},
                               {"expiresInSeconds", {{"type", "integer"}}}},
                              {"token", "user", "role", "expiresInSeconds"});
  schemas["CompatSession"] = object({{"token", text}}, {"token"});
  schemas["Deletion"] = object({{"name", text}, {"deleting", {{"type", "boolean"}}}}, {"name", "deleting"});
  schemas["Document"] = {{"type", "object"}, {"description", "An OpenAPI 3.0 document."}};
}

Json OpenApiDocument(const std::vector<RestRoute>& routes, const Json& components) {
  Json document = {{"openapi", "3.0.3"},
                   {"info",
                    {{"title", "slicelet admin API"},
                     {"version", "v1"},
                     {"description",
                      "What a hub has and does. It reads and writes objects of Kubernetes; nothing is kept "
                      "beside them."}}},
                   {"security", {{{"bearer", Json::array()}}}},
                   {"components", components}};
  document["components"]["securitySchemes"] = {
      {"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
      {"token", {{"type", "apiKey"}, {"in", "header"}, {"name", "Token"}}}};
  for (const RestRoute& route : routes) {
    std::string method = route.method;
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    document["paths"][route.path][method] = Operation(route);
  }
  return document;
}

}  // namespace slicelet::provider
