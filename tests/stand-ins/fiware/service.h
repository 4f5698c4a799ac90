#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/stand-ins/common/http.h"
#include "tests/stand-ins/common/program.h"

namespace slicelet::fiware {

using Json = nlohmann::json;
using stand_ins::Die;
using stand_ins::Endpoint;
using stand_ins::HttpHandler;
using stand_ins::HttpRequest;
using stand_ins::HttpResponse;
using stand_ins::Log;

/// Whom a request is for: headers fiware-service and fiware-servicepath.
struct Scope {
  std::string tenant;
  std::string path;  // "" when the header was not sent
};

Scope ScopeOf(const HttpRequest& request);
/// `scope` as headers of another request.
std::map<std::string, std::string> Headers(const Scope& scope);

HttpResponse Answer(int status, const Json& body);
/// The form in which all these services report errors.
HttpResponse Refuse(int status, const std::string& error, const std::string& description);

/// Opens the port and serves for ever. What nobody handles is answered with 404, a body of the wrong form
/// with 400, and anything else that fails with 500.
[[noreturn]] void Serve(int port, const HttpHandler& handler);

/// Host and port of "http://HOST:PORT/..."; 80 without a port.
Endpoint EndpointOf(const std::string& url);

/// "2026-01-31T10:00:00.000Z", now.
std::string Timestamp();

/// Command line options as "-name [value]" pairs. Ends the program with `exit_code` at one that is not
/// listed. `flags` stand alone, `valued` take a value; what follows '=' is a value too.
std::map<std::string, std::string> Options(int argc, char** argv, const std::vector<std::string>& flags,
                                           const std::vector<std::string>& valued, int exit_code);

}  // namespace slicelet::fiware
