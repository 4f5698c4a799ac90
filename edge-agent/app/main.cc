#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "common/log/log.h"
#include "common/loop/asio_loop.h"
#include "common/rpc/edge_link.h"
#include "common/rpc/rpc_client.h"
#include "common/tls/expiry.h"
#include "edge-agent/app/agent_config.h"
#include "edge-agent/app/footprint.h"
#include "edge-agent/app/machine.h"
#include "edge-agent/app/mqtt_link.h"
#include "edge-agent/app/service_manager.h"
#include "edge-agent/edgex/asio_edgex_client.h"
#include "edge-agent/host/host_agent.h"
#include "edge-agent/probes/asio_prober.h"
#include "edge-agent/probes/grpc_prober.h"
#include "edge-agent/runtime/cri_runtime.h"
#include "edge-agent/store/sqlite_agent_store.h"
#include "edge-agent/streams/stream_server.h"

namespace slicelet::agent {
namespace {

constexpr int kFailure = 1;
constexpr int kWrongUse = 2;
constexpr std::uint32_t kPrivateDirectory = 0700;
/// After this long everything that runs at the start has run.
constexpr Duration kStarted = std::chrono::seconds(10);
/// From then on this often: what a pod's start needs is not needed until the next one's.
constexpr Duration kGiveBack = std::chrono::minutes(1);
/// Half as many again as there are cores: sandboxes wait for the disk and for each other's locks in the
/// kernel. (docs/benchmarks.md, "Where the time of a start goes")
int StartsAtOnce() {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return cores + (cores + 1) / 2;
}
/// A stop that takes longer is cut short.
constexpr Duration kStopLimit = std::chrono::seconds(3);

constexpr char kUsage[] =
    "usage: slicelet-agent [--host FILE] [--config FILE] [--check-config]\n"
    "Runs this host's workloads with the container runtime.\n"
    "  --host FILE     credentials made by `slicectl host add` (default /etc/slicelet/host.json)\n"
    "  --config FILE   the owner's settings (default /etc/slicelet/agent.json, which may be absent)\n"
    "  --check-config  check both files and exit\n"
    "  --version       print the version\n"
    "Examples:\n"
    "  slicelet-agent\n"
    "  slicelet-agent --check-config\n"
    "  slicelet-agent --host ./host.json --config ./agent.json\n";

struct Arguments {
  std::string host = "/etc/slicelet/host.json";
  std::string config = "/etc/slicelet/agent.json";
  bool config_given = false;
  bool check_only = false;
};

HostAgent::Options MakeOptions(const HostCredentials& host, const AgentConfig& config, FileSystem& files) {
  HostAgent::Options options;
  options.facts = DescribeMachine(files, config.root, config.address, config.max_pods);
  options.pods.hub_id = host.hub;
  options.pods.host = HostId(host.host);
  options.pods.root = config.root;
  options.pods.log_root = config.log_root;
  options.pods.cgroup_parent = config.cgroup_parent;
  options.pods.policy = config.policy;
  options.pods.host_ip = options.facts.address();
  options.pods.allocatable_cpu_milli = options.facts.allocatable_cpu_milli();
  options.pods.allocatable_memory_bytes = options.facts.allocatable_memory_bytes();
  options.pods.starts_at_once = StartsAtOnce();
  options.pods.log_max_bytes = config.log_max_bytes;
  options.pods.log_max_files = config.log_max_files;
  options.pods.readings_period = config.link.readings;
  options.images.high_percent = config.image_high_percent;
  options.images.low_percent = config.image_low_percent;
  options.agent_version = SLICELET_VERSION;
  options.boot_id = FirstLine(files, config.boot_id_file);
  options.tags = config.tags;
  options.root_public_key = host.root_key;
  return options;
}

absl::Status Run(const Arguments& arguments) {
  SLICELET_ASSIGN_OR_RETURN(const HostCredentials host, ReadHostCredentials(arguments.host));
  SLICELET_ASSIGN_OR_RETURN(const AgentConfig config,
                            ReadAgentConfig(arguments.config, !arguments.config_given));
  if (arguments.check_only) {
    const bool there = access(arguments.config.c_str(), F_OK) == 0;
    std::printf("%s is correct\n", arguments.host.c_str());
    std::printf("%s is %s\n", arguments.config.c_str(), there ? "correct" : "absent, and need not be there");
    return absl::OkStatus();
  }

  AsioLoop loop;
  SystemClock clock;
  SystemRandom random;
  const auto files = MakeSystemFileSystem();
  SLICELET_RETURN_IF_ERROR(files->MakeDirectories(config.root, kPrivateDirectory));
  SLICELET_ASSIGN_OR_RETURN(const auto store, MakeSqliteAgentStore(config.root + "/agent.db", loop));
  SLICELET_ASSIGN_OR_RETURN(const auto opener, MakeOpener(host.sealing_key));
  const RpcTls tls{.certificate_file = {},
                   .key_file = {},
                   .ca_file = {},
                   .certificate_pem = host.certificate,
                   .key_pem = host.key,
                   .ca_pem = host.ca};
  SLICELET_ASSIGN_OR_RETURN(const auto client,
                            RpcClient::Make(loop, {.address = host.endpoint,
                                                   .tls = tls,
                                                   .server_name = {},
                                                   .keepalive = {.interval = config.link.keepalive}}));
  const bool over_mqtt = config.link.kind == LinkConfig::Kind::kMqtt;
  MqttLink mqtt;
  // Keys come with messages, and no message before the agent has started.
  HostAgent* started = nullptr;
  if (over_mqtt) {
    SLICELET_ASSIGN_OR_RETURN(
        mqtt, MakeMqttLink(
                  host, config, store->loaded().settings,
                  [&started](const auto& keys) { started->SetBrokerKeys(keys); }, loop, random, *opener));
  }
  const auto grpc = over_mqtt ? nullptr : MakeHubConnector(*client);
  HostAgent::HubConnector& hub = over_mqtt ? *mqtt.hub : *grpc;
  const auto runtime = MakeCriRuntime(config.runtime_socket, loop);
  const auto prober = MakeGrpcProber(loop, MakeAsioProber(loop));
  const auto edgex = MakeAsioEdgexClient(loop);
  StreamServer streams(loop, clock, *runtime);

  HostAgent::Options options = MakeOptions(host, config, *files);
  options.log_ranges = over_mqtt;
  options.log_tails = config.link.log_tails;
  HostAgent agent(
      std::move(options),
      {.loop = loop,
       .clock = clock,
       .random = random,
       .files = *files,
       .store = *store,
       .runtime = *runtime,
       .opener = *opener,
       .prober = *prober,
       .hub = hub,
       .dial_tunnel = [&client,
                       tunnels = !over_mqtt || config.link.tunnels]() -> std::unique_ptr<FrameStream> {
         if (!tunnels) return nullptr;
         return DialTunnel(*client);
       },
       .serve_stream = [&streams](
                           const v1::StreamHead& head, std::shared_ptr<FrameStream> stream,
                           const PodSupervisor& pods) { streams.Serve(head, std::move(stream), pods); },
       .edgex = edgex.get(),
       .refused = [&mqtt] { return mqtt.hub ? mqtt.hub->faults().Total() : 0; },
       .read_log_tail = StreamServer::ReadTail,
       .find_address =
           config.address.empty() ? FindAddress : std::function<std::string(const std::string&)>(),
       .has_address = HasAddress});
  started = &agent;
  ServiceManager service(loop);
  Timer stop_limit(loop);
  bool stopping = false;
  loop.OnSignals({SIGTERM, SIGINT}, [&](int) {
    if (std::exchange(stopping, true)) return loop.Stop();
    LogInfo("stopping; containers run on", {{"host", host.host}});
    service.Stopping();
    stop_limit.Set(kStopLimit, [&loop] { loop.Stop(); });
    agent.Stop("shutdown", [&loop] { loop.Stop(); });
  });
  WarnIfCertificateEnds(host.certificate, arguments.host,
                        "slicectl host add " + host.host + " --renew --dir DIR, where the hub is",
                        clock.Now());
  LogInfo("agent starts", {{"host", host.host}, {"hub", host.hub}, {"version", SLICELET_VERSION}});
  agent.Start();
  Timer memory(loop);
  std::function<void()> give_back = [&] {
    GiveMemoryBack();
    memory.Set(kGiveBack, give_back);
  };
  memory.Set(kStarted, give_back);
  service.Ready("running as " + host.host + " of hub " + host.hub);
  loop.Run();
  return absl::OkStatus();
}

}  // namespace
}  // namespace slicelet::agent

int main(int argc, char** argv) {
  using namespace slicelet::agent;
  // Before any thread: a peer that hangs up must not end the agent. Few arenas keep its memory small.
  std::signal(SIGPIPE, SIG_IGN);
  mallopt(M_ARENA_MAX, 2);
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--version") return std::puts("slicelet-agent " SLICELET_VERSION) < 0 ? kFailure : 0;
    if (option == "--help") return std::fputs(kUsage, stdout) < 0 ? kFailure : 0;
    if (option == "--check-config") {
      arguments.check_only = true;
      continue;
    }
    if ((option != "--host" && option != "--config") || i + 1 == argc) {
      std::fprintf(stderr, "slicelet-agent: bad argument: %s\n%s", option.c_str(), kUsage);
      return kWrongUse;
    }
    if (option == "--config") arguments.config_given = true;
    (option == "--host" ? arguments.host : arguments.config) = argv[++i];
  }
  const auto status = Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "slicelet-agent: %s\n", slicelet::Message(status).c_str());
  return kFailure;
}
