#include "common/program/program.h"
#include "common/rest/cpprest.h"
#include "common/rest/system_authorities.h"
#include "provider/app/hash_password.h"
#include "provider/app/provider_server.h"

int main(int argc, char** argv) {
  using namespace slicelet;
  SkipSystemAuthorities();
  ServerProgram program;
  program.name = "slicelet-provider";
  program.summary =
      "Turns pods into signed deployment manifests for the hosts of one hub, and delivers them.";
  program.examples =
      "  slicelet-provider --config /etc/slicelet/hub/provider.yaml\n"
      "  slicelet-provider --config /etc/slicelet/hub/provider.yaml --check-config\n"
      "  slicelet-provider --hash-password\n"
      "'slicectl hub init' writes a configuration with everything it names.";
  program.default_config = "/etc/slicelet/hub/provider.yaml";
  program.configure = [](const nlohmann::json& json) -> absl::StatusOr<ServerProgram::Start> {
    SLICELET_ASSIGN_OR_RETURN(auto config, provider::ReadProviderConfig(json));
    return [config = std::move(config)](AsioLoop& loop) { return provider::StartProvider(config, loop); };
  };
  program.actions = {{"--hash-password",
                      "Read a password from standard input, print its hash for the users file, and exit",
                      provider::HashPasswordOfInput}};
  LeaveProcess(RunServer(argc, argv, program));
}
