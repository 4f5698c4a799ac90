#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/loop/asio_loop.h"

namespace slicelet {

/// A program's work, once it is started. Destroyed on the loop's thread, before the loop.
class Server {
 public:
  virtual ~Server() = default;
  /// Ends it in good order. `done` may come at once; what takes longer than ten seconds is cut off.
  virtual void Stop(std::function<void()> done) = 0;
};

/// What is particular to one server program; the rest is `RunServer`'s.
struct ServerProgram {
  using Start = std::function<absl::StatusOr<std::unique_ptr<Server>>(AsioLoop&)>;

  std::string name;
  std::string summary;
  /// Command lines that work, for --help.
  std::string examples;
  /// Read when no --config is given.
  std::string default_config;
  /// Checks the configuration and returns what starts the program with it. Nothing may be opened or written
  /// yet.
  std::function<absl::StatusOr<Start>(const nlohmann::json& config)> configure;

  /// What the program does when it is called with one flag, instead of serving.
  struct Action {
    std::string flag;
    std::string about;
    /// Returns what is printed.
    std::function<absl::StatusOr<std::string>()> run;
  };
  std::vector<Action> actions{};
};

/// The frame of main: command line, configuration file, SIGPIPE ignored, loop, readiness to the service
/// manager, SIGTERM and SIGINT. Returns the exit code: 0 after a stop, 1 for failure, 2 for wrong use; errors
/// are one line on standard error.
int RunServer(int argc, char** argv, const ServerProgram& program);

}  // namespace slicelet
