#include "common/program/program.h"

#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/config/config_reader.h"
#include "common/log/log.h"
#include "common/program/override.h"

namespace slicelet {
namespace {

constexpr auto kStopTimeout = std::chrono::seconds(10);
constexpr int kFailure = 1;
constexpr int kWrongUse = 2;

int Fail(const ServerProgram& program, const absl::Status& status) {
  std::cerr << program.name << ": " << Message(status) << std::endl;
  return kFailure;
}

/// A peer that closes its socket must not end the process; libraries do not all ask for that.
void IgnoreBrokenPipes() {
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

int Serve(const ServerProgram& program, const ServerProgram::Start& start) {
  AsioLoop loop;
  auto server = start(loop);
  if (!server.ok()) return Fail(program, server.status());
  bool stopping = false;
  loop.OnSignals({SIGTERM, SIGINT}, [&](int) {
    if (std::exchange(stopping, true)) return;
    LogInfo("stopping");
    sd_notify(0, "STOPPING=1");
    loop.RunAfter(kStopTimeout, [&loop] { loop.Stop(); });
    (*server)->Stop([&loop] { loop.Stop(); });
  });
  loop.Post([] { sd_notify(0, "READY=1"); });
  loop.Run();
  return 0;
}

}  // namespace

int RunServer(int argc, char** argv, const ServerProgram& program) {
  IgnoreBrokenPipes();
  CLI::App app(program.summary, program.name);
  app.footer("Examples:\n" + program.examples);
  std::string config_path = program.default_config;
  bool check_only = false;
  std::vector<std::string> overrides;
  app.add_option("--config", config_path, "Configuration file")->capture_default_str();
  app.add_option("--set", overrides,
                 "NAME=VALUE: a field of the file, a text at its top level, that differs here")
      ->expected(1)
      ->take_all();
  app.add_flag("--check-config", check_only, "Check the configuration file and exit");
  const ServerProgram::Action* chosen = nullptr;
  for (const auto& action : program.actions) {
    app.add_flag_callback(action.flag, [&chosen, &action] { chosen = &action; }, action.about);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << program.name << ": " << error.what() << " (see --help)" << std::endl;
    return kWrongUse;
  }
  if (chosen != nullptr) {
    const auto text = chosen->run();
    if (!text.ok()) return Fail(program, text.status());
    std::cout << *text << std::endl;
    return 0;
  }
  auto config = LoadConfigFile(config_path);
  if (!config.ok()) return Fail(program, config.status());
  for (const auto& assignment : overrides) {
    const auto status = Override(*config, assignment);
    if (!status.ok()) {
      std::cerr << program.name << ": " << Message(status) << std::endl;
      return kWrongUse;
    }
  }
  const auto start = program.configure(*config);
  if (!start.ok()) return Fail(program, WithContext(start.status(), config_path));
  if (check_only) {
    std::cout << config_path << " is correct" << std::endl;
    return 0;
  }
  return Serve(program, *start);
}

}  // namespace slicelet
