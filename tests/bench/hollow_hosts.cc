// Many edge hosts in one process: the agent's own code over real TLS and gRPC, with a scripted container
// runtime.
//
// Usage: hollow_hosts CREDENTIALS.slicelet ...     one host per file; runs until SIGTERM. For benchmarks.
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/testing/fake_file_system.h"
#include "common/crypto/sealing.h"
#include "common/log/log.h"
#include "common/loop/asio_loop.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/rpc_client.h"
#include "edge-agent/app/agent_config.h"
#include "edge-agent/host/host_agent.h"
#include "edge-agent/probes/testing/fake_prober.h"
#include "edge-agent/runtime/testing/scripted_runtime.h"
#include "edge-agent/store/testing/memory_agent_store.h"

namespace slicelet::agent {
namespace {

struct HollowHost {
  HollowHost(Loop& loop, Clock& clock, Random& random, const HostCredentials& credentials)
      : machine(loop, clock, &random), runtime(machine), store(loop), prober(loop) {
    RpcTls tls;
    tls.certificate_pem = credentials.certificate;
    tls.key_pem = credentials.key;
    tls.ca_pem = credentials.ca;
    auto made = RpcClient::Make(loop, {.address = credentials.endpoint, .tls = tls});
    if (!made.ok()) {
      std::fprintf(stderr, "hollow_hosts: %s\n", Message(made.status()).c_str());
      std::exit(1);
    }
    client = std::move(*made);
    hub = MakeHubConnector(*client);
    opener = *MakeOpener(credentials.sealing_key);
    HostAgent::Options options;
    options.pods.hub_id = credentials.hub;
    options.pods.host = HostId(credentials.host);
    options.pods.host_ip = "192.0.2.1";
    options.pods.allocatable_cpu_milli = 4'000;
    options.pods.allocatable_memory_bytes = std::int64_t{8} << 30;
    options.agent_version = "hollow";
    options.boot_id = random.Uuid();
    options.root_public_key = credentials.root_key;
    options.facts.set_operating_system("linux");
    options.facts.set_architecture("amd64");
    options.facts.set_cpu_milli(4'000);
    options.facts.set_memory_bytes(std::int64_t{8} << 30);
    options.facts.set_pods(110);
    options.facts.set_allocatable_cpu_milli(4'000);
    options.facts.set_allocatable_memory_bytes(std::int64_t{8} << 30);
    options.facts.set_address("192.0.2.1");
    agent = std::make_unique<HostAgent>(
        std::move(options),
        HostAgent::Dependencies{
            .loop = loop,
            .clock = clock,
            .random = random,
            .files = files,
            .store = store,
            .runtime = runtime,
            .opener = *opener,
            .prober = prober,
            .hub = *hub,
            .dial_tunnel = [this] { return DialTunnel(*client); },
            .serve_stream =
                [](const v1::StreamHead&, std::shared_ptr<FrameStream> stream, const PodSupervisor&) {
                  stream->Finish(absl::UnimplementedError("a hollow host has no streams"));
                }});
    agent->Start();
  }

  ScriptedHost machine;
  ScriptedRuntime runtime;
  MemoryAgentStore store;
  FakeFileSystem files;
  FakeProber prober;
  std::unique_ptr<RpcClient> client;
  std::unique_ptr<HostAgent::HubConnector> hub;
  std::unique_ptr<Opener> opener;
  std::unique_ptr<HostAgent> agent;
};

int Run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  SetLogLevel(LogLevel::kWarning);
  AsioLoop loop;
  SystemClock clock;
  SystemRandom random;
  std::vector<std::unique_ptr<HollowHost>> hosts;
  for (int i = 1; i < argc; ++i) {
    const auto credentials = ReadHostCredentials(argv[i]);
    if (!credentials.ok()) {
      std::fprintf(stderr, "hollow_hosts: %s\n", Message(credentials.status()).c_str());
      return 1;
    }
    hosts.push_back(std::make_unique<HollowHost>(loop, clock, random, *credentials));
  }
  loop.OnSignals({SIGTERM, SIGINT}, [&](int) { loop.Stop(); });
  loop.Run();
  return 0;
}

}  // namespace
}  // namespace slicelet::agent

int main(int argc, char** argv) { return slicelet::agent::Run(argc, argv); }
