#include "common/program/program.h"
#include "common/rest/cpprest.h"
#include "common/rest/system_authorities.h"
#include "kubelet-shim/app/shim_server.h"

int main(int argc, char** argv) {
  using namespace slicelet;
  SkipSystemAuthorities();
  ServerProgram program;
  program.name = "slicelet-shim";
  program.summary =
      "Stands as the kubelet of a hub's slice nodes: registers them, syncs their pods, serves their API.";
  program.examples =
      "  slicelet-shim --config /etc/slicelet/hub/shim.yaml\n"
      "  slicelet-shim --config /etc/slicelet/hub/shim.yaml --check-config\n"
      "'slicectl hub init' writes a configuration with everything it names.";
  program.default_config = "/etc/slicelet/hub/shim.yaml";
  program.configure = [](const nlohmann::json& json) -> absl::StatusOr<ServerProgram::Start> {
    SLICELET_ASSIGN_OR_RETURN(auto config, shim::ReadShimConfig(json));
    return [config = std::move(config)](AsioLoop& loop) { return shim::StartShim(config, loop); };
  };
  LeaveProcess(RunServer(argc, argv, program));
}
