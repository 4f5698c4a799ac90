#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/stand-ins/common/http.h"
#include "tests/stand-ins/common/program.h"

namespace slicelet::edgex {

using stand_ins::Die;
using stand_ins::Endpoint;
using stand_ins::Fetch;
using stand_ins::HttpHandler;
using stand_ins::HttpRequest;
using stand_ins::HttpResponse;
using stand_ins::Log;
using stand_ins::NowNanos;
using stand_ins::ServeHttp;
using stand_ins::UrlDecode;

/// What every EdgeX service does: reads flags and environment, waits for what it needs, answers ping, version
/// and config, and ends with the exit codes of the real ones.
class Service {
 public:
  /// Parses the command line; ends the program with 1 where it is wrong. `key` may be replaced by
  /// EDGEX_SERVICE_KEY.
  Service(std::string key, int default_port, int argc, char** argv);

  [[nodiscard]] const std::string& key() const { return key_; }
  /// A configuration value: from the environment, by its path in upper case joined by underscores.
  [[nodiscard]] std::string Setting(const std::string& name, const std::string& otherwise = "") const;
  [[nodiscard]] int IntSetting(const std::string& name, int otherwise) const;
  [[nodiscard]] Endpoint MetadataEndpoint() const;
  /// Of -cp; ends the program when that is none.
  [[nodiscard]] Endpoint ProviderEndpoint() const;

  /// Tries until it works. After EDGEX_STARTUP_DURATION it says what was missing and ends with `exit_code`.
  void Require(const std::string& what, int exit_code, const std::function<bool()>& attempt) const;
  /// Waits for a service's ping.
  void RequirePing(const std::string& what, int exit_code, const Endpoint& endpoint) const;

  /// More answers, asked before the common ones.
  void Handle(HttpHandler handler) { handler_ = std::move(handler); }
  /// Opens the port, registers with the provider if the command line says so, and serves for ever.
  [[noreturn]] void Serve();

 private:
  void ParseFlags(int argc, char** argv);
  void BeginFaults() const;
  [[nodiscard]] HttpResponse Answer(const HttpRequest& request) const;
  void Register() const;

  std::string key_;
  int default_port_;
  std::string provider_;
  bool registry_ = false;
  HttpHandler handler_;
};

std::string NewId();
/// "90s", "500ms", "5m"; `otherwise` for anything else.
std::chrono::milliseconds ParseDuration(const std::string& text, std::chrono::milliseconds otherwise);

}  // namespace slicelet::edgex
