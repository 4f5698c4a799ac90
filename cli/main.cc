// slicectl: hubs, slices and what belongs to them, and what kubectl does not know about a hub.
//
// Exit codes: 0 done, 1 failed (one line on standard error), 2 wrong use; `exec` returns the remote
// command's.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "cli/admin_commands.h"
#include "cli/completion.h"
#include "cli/explain.h"
#include "cli/hub_commands.h"
#include "cli/kind_program.h"
#include "cli/kinds/printer.h"
#include "cli/operator_config.h"
#include "cli/pod_commands.h"
#include "cli/table.h"
#include "common/rest/cpprest.h"
#include "common/rest/system_authorities.h"

namespace slicelet::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUse = 2;
constexpr char kCompleteCommand[] = "__complete";
constexpr unsigned kCompletionSeconds = 3;

/// One line: what is wrong, and where to read how it would be right.
std::string WrongUse(const CLI::App* app, const CLI::Error& error) {
  std::string command = "slicectl";
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().back();
    command += " " + app->get_name();
  }
  return "slicectl: " + Printable(error.what()) + "; '" + command + " --help' shows how\n";
}

/// Runs what a subcommand stands for and remembers how it ended.
struct Outcome {
  int exit_code = 0;

  void Take(const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "slicectl: %s\n", Printable(Message(status)).c_str());
    exit_code = status.code() == absl::StatusCode::kInvalidArgument ? kWrongUse : kFailed;
  }
};

class Program {
 public:
  int Run(int argc, char** argv) {
    app_.require_subcommand(1);
    Example(
        &app_,
        "  slicectl slice create north --node gw-1 --wait\n  slicectl gateway list -A\n  slicectl host list\n"
        "  slicectl orphans list");
    app_.fallthrough();  // --config may stand anywhere
    app_.failure_message(WrongUse);
    app_.add_option("--config", config_path_,
                    "the hub's operator.yaml (default: $SLICELET_CONFIG, ~/.config/slicelet/config.yaml, "
                    "/etc/slicelet/hub/operator.yaml)");
    AddHub();
    kinds_.AddTo(app_);
    AddHost();
    AddGet();
    AddLogs();
    AddExec();
    AddPod();
    AddExplain(app_, [this](CLI::App* command, Action action) { OnHub(command, std::move(action)); });
    AddOrphans();
    AddNode();
    AddCompletion();
    // Asked by the shell at every tab; words are no command line yet.
    if (argc > 1 && std::string(argv[1]) == kCompleteCommand) return Offer({argv + 2, argv + argc});
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? 0 : kWrongUse;
    }
    return outcome_.exit_code;
  }

 private:
  using Action = std::function<absl::Status(const OperatorConfig&)>;

  /// A subcommand that needs to know its hub.
  void OnHub(CLI::App* command, Action action) {
    command->callback([this, action = std::move(action)] {
      const auto config = LoadOperatorConfig(config_path_);
      outcome_.Take(config.ok() ? action(*config) : config.status());
    });
  }

  /// The cluster that somebody names; else the hub's own directory, if there is a hub; else a cluster that is
  /// found.
  absl::StatusOr<PodSource> FindPods() {
    if (kinds_.cluster_named() || (!IsHubConfigured(config_path_) && kinds_.cluster_found())) {
      SLICELET_ASSIGN_OR_RETURN(kube::KubeConfig config, kinds_.ClusterConfig());
      return config;
    }
    SLICELET_ASSIGN_OR_RETURN(OperatorConfig config, LoadOperatorConfig(config_path_));
    return config;
  }

  static void Example(CLI::App* command, const std::string& text) { command->footer("Examples:\n" + text); }

  /// A command that only groups others.
  CLI::App* Group(const std::string& name, const std::string& about, const std::string& example) {
    CLI::App* group = app_.add_subcommand(name, about)->require_subcommand(1);
    Example(group, example);
    return group;
  }

  void AddOutput(CLI::App* command, std::string& output, const std::vector<std::string>& kinds) {
    values_[command->add_option("-o,--output", output, "how to print it")
                ->check(CLI::IsMember(kinds))
                ->capture_default_str()] = kinds;
  }

  void AddHub() {
    CLI::App* hub = Group("hub", "A hub's keys, certificates and configuration",
                          "  slicectl hub init --dir hub --name demo --agent-endpoint 127.0.0.1:7443");
    CLI::App* init =
        hub->add_subcommand("init", "Make a hub's keys, certificates and configuration in a directory");
    init->add_option("--dir", directory_, "the directory to make")->required();
    init->add_option("--name", hub_.name, "the hub's name, a DNS label")->required();
    init->add_option("--agent-endpoint", hub_.agent_endpoint, "HOST:PORT where hosts reach the provider")
        ->required();
    init->add_option("--agent-listen", hub_.agent_listen,
                     "HOST:PORT where the provider listens (default: 0.0.0.0 and the endpoint's port)");
    init->add_option("--mqtt-endpoint", hub_.mqtt_endpoint,
                     "HOST:PORT of an MQTT broker for the hosts; writes DIR/mosquitto for it");
    init->add_option("--mqtt-listen", hub_.mqtt_listen,
                     "HOST:PORT where that broker listens (default: 0.0.0.0 and the endpoint's port)");
    init->add_option("--provider-endpoint", hub_.provider_endpoint,
                     "HOST:PORT where slicectl reaches the provider, as of a hub in the cluster (default: a "
                     "socket in DIR)");
    init->add_option("--alternative-name", hub_.alternative_names,
                     "further name or address of the provider or the broker; repeatable");
    init->add_option("--shim-address", hub_.shim_address, "address of the shim, as the API server reaches it")
        ->capture_default_str();
    init->add_option("--shim-port", hub_.shim_first_port, "first port of the shim; each node takes one")
        ->capture_default_str()
        ->check(CLI::Range(1, 65535));
    init->add_option("--shim-ports", hub_.shim_ports, "how many ports")
        ->capture_default_str()
        ->check(CLI::Range(1, 10000));
    init->add_option("--kubeconfig", hub_.kubeconfig,
                     "the cluster; without it the hub is standalone and reads DIR/manifests");
    Example(
        init,
        "  slicectl hub init --dir /etc/slicelet/hub --name plant-7 --agent-endpoint hub.example.com:7443\n"
        "  slicectl hub init --dir hub --name demo --agent-endpoint 127.0.0.1:7443 --kubeconfig "
        "~/.kube/config");
    init->callback([this] {
      if (hub_.agent_listen.empty()) {
        const auto colon = hub_.agent_endpoint.rfind(':');
        hub_.agent_listen =
            "0.0.0.0" + (colon == std::string::npos ? ":" : hub_.agent_endpoint.substr(colon));
      }
      if (hub_.mqtt_listen.empty()) {
        const auto colon = hub_.mqtt_endpoint.rfind(':');
        hub_.mqtt_listen = "0.0.0.0" + (colon == std::string::npos ? "" : hub_.mqtt_endpoint.substr(colon));
      }
      outcome_.Take(RunHubInit(directory_, hub_));
    });
    CLI::App* secret = hub->add_subcommand("secret", "The Secret that the Helm chart mounts, for kubectl");
    secret->add_option("--dir", directory_, "the hub's directory")->required();
    secret->add_option("--name", secret_name_, "the Secret's name")->capture_default_str();
    secret->add_option("-n,--namespace", host_add_.ns, "namespace (default: the hub's)");
    Example(secret,
            "  slicectl hub secret --dir hub --name plant-7-hub --namespace plant-7 | kubectl apply -f -");
    secret->callback([this] { outcome_.Take(RunHubSecret(directory_, secret_name_, HubNamespace())); });
    CLI::App* renew = hub->add_subcommand(
        "renew", "Issue the hub's own certificates anew, for the keys and names that they have");
    renew->add_option("--dir", directory_, "the hub's directory, with ca.key")->required();
    Example(renew, "  slicectl hub renew --dir /etc/slicelet/hub");
    renew->callback([this] { outcome_.Take(RunHubRenew(directory_)); });
    CLI::App* revoke = hub->add_subcommand(
        "revoke", "Let the hub's MQTT broker refuse a host: writes the list of revoked certificates");
    revoke->add_option("NAME", host_add_.host, "the host")->required();
    revoke->add_option("--dir", directory_, "the hub's directory")->required();
    Example(revoke, "  slicectl hub revoke gw-1 --dir /etc/slicelet/hub");
    revoke->callback([this] { outcome_.Take(RunHubRevoke(directory_, host_add_.host)); });
  }

  void AddHost() {
    CLI::App* host = Group(
        "host", "Edge machines that run the agent (EdgeHost)",
        "  slicectl host add gw-1 --dir hub\n  slicectl host list\n  slicectl host tag gw-1 site=north");
    CLI::App* add = host->add_subcommand("add", "Make the credentials of one host and its EdgeHost object");
    add->add_option("NAME", host_add_.host, "the host's id, a DNS label; also its node's name")->required();
    add->add_option("--dir", host_add_.directory, "the hub's directory")->required();
    add->add_option("-n,--namespace", host_add_.ns, "namespace of the EdgeHost (default: the hub's)");
    add->add_flag(
        "--renew", renew_,
        "a new certificate for the credentials that DIR/hosts/NAME.slicelet holds; prints no EdgeHost");
    Example(add,
            "  slicectl host add gw-1 --dir /etc/slicelet/hub | kubectl apply -f -\n"
            "  slicectl host add gw-1 --dir /etc/slicelet/hub --renew");
    add->callback([this] {
      host_add_.ns = HubNamespace();
      outcome_.Take(renew_ ? RunHostRenew(host_add_) : RunHostAdd(host_add_));
    });
    CLI::App* list = host->add_subcommand("list",
                                          "Hosts as the provider knows them; as the cluster does without a "
                                          "hub's operator.yaml, and with -n, -A, "
                                          "-l, --kubeconfig or --context");
    KindOptions& options = kinds_.AddListOptions(*list, "host");
    Example(list, "  slicectl host list\n  slicectl host list -n slicelet -o wide");
    list->callback([this, &options] {
      const bool of_cluster = kinds_.cluster_named() || !options.ns.empty() || options.all_namespaces ||
                              !options.selector.empty();
      if (of_cluster || (!IsHubConfigured(config_path_) && kinds_.cluster_found())) {
        return outcome_.Take(kinds_.List("host", options));
      }
      const auto config = LoadOperatorConfig(config_path_);
      outcome_.Take(config.ok() ? RunHostList(*config, options.output) : config.status());
    });
    kinds_.AddHostVerbs(*host);
  }

  [[nodiscard]] std::string HubNamespace() const {
    return host_add_.ns.empty() ? kinds_.hub_namespace() : host_add_.ns;
  }

  void AddGet() {
    CLI::App* get = app_.add_subcommand("get", "Pods or nodes of a standalone hub");
    get->add_option("KIND", get_.kind, "pods or nodes")->required();
    get->add_option("NAME", get_.name, "one object");
    get->add_option("-n,--namespace", get_.ns, "namespace")->capture_default_str();
    get->add_flag("-A,--all-namespaces", get_.all_namespaces, "pods of all namespaces");
    AddOutput(get, get_.output, {"table", "wide", "json", "name"});
    Example(get, "  slicectl get nodes\n  slicectl get pods -A -o wide\n  slicectl get pod hello -o json");
    OnHub(get, [this](const OperatorConfig& config) { return RunGet(config, get_); });
  }

  void AddLogs() {
    CLI::App* logs = app_.add_subcommand("logs", "Logs of a container, also of one host of many");
    logs->add_option("POD", logs_.pod, "the pod")->required();
    logs->add_option("-c,--container", logs_.container, "default: the first one");
    logs->add_option("-n,--namespace", logs_.ns, "namespace (default: the kubeconfig's, default)");
    logs->add_flag("-f,--follow", logs_.follow, "go on as lines appear");
    logs->add_flag("-p,--previous", logs_.previous, "of the former instance");
    logs->add_flag("--timestamps", logs_.timestamps, "begin each line with its time");
    logs->add_option("--tail", logs_.tail, "only the last lines")->check(CLI::NonNegativeNumber);
    logs->add_option("--limit-bytes", logs_.limit_bytes, "at most that many bytes")
        ->check(CLI::PositiveNumber);
    logs->add_option("--since", logs_.since, "only newer than a duration such as 10m");
    logs->add_option("--host", logs_.host, "of a fleet node's pod: the logs of this host");
    Example(logs, "  slicectl logs -f hello\n  slicectl logs web -n shop --host gw-3 --tail 20");
    logs->callback([this] {
      const auto source = FindPods();
      outcome_.Take(source.ok() ? RunLogs(*source, logs_) : source.status());
    });
  }

  void AddExec() {
    CLI::App* exec = app_.add_subcommand("exec", "Run a command in a container");
    exec->add_option("POD", exec_.pod, "the pod")->required();
    exec->add_option("-c,--container", exec_.container, "default: the first one");
    exec->add_option("-n,--namespace", exec_.ns, "namespace (default: the kubeconfig's, default)");
    exec->add_flag("-i,--stdin", exec_.stdin_open, "pass standard input on");
    exec->add_flag("-t,--tty", exec_.tty, "on a terminal");
    exec->add_option("--host", exec_.host, "of a fleet node's pod of a standalone hub: run it on this host");
    exec->add_option("COMMAND", exec_.command, "the command and its arguments, after --")->required();
    Example(exec, "  slicectl exec hello -- /bin/workload environ\n  slicectl exec -it hello -- sh");
    exec->callback([this] {
      const auto source = FindPods();
      if (!source.ok()) return outcome_.Take(source.status());
      const auto code = RunExec(*source, exec_);
      outcome_.Take(code.status());
      if (code.ok()) outcome_.exit_code = *code;
    });
  }

  void AddPod() {
    CLI::App* pod = Group("pod", "What hosts say of a pod", "  slicectl pod hosts web -n shop");
    CLI::App* hosts = pod->add_subcommand("hosts", "A pod's state on each of its hosts");
    hosts->add_option("POD", pod_name_, "the pod")->required();
    hosts->add_option("-n,--namespace", pod_ns_, "namespace")->capture_default_str();
    AddOutput(hosts, output_, kFormats);
    Example(hosts, "  slicectl pod hosts web -n shop\n  slicectl pod hosts web -o json");
    OnHub(hosts,
          [this](const OperatorConfig& config) { return RunPodHosts(config, pod_ns_, pod_name_, output_); });
  }

  void AddOrphans() {
    CLI::App* orphans =
        Group("orphans", "Workloads that run although Kubernetes does not show their pod any more",
              "  slicectl orphans list\n  slicectl orphans keep --node gw-1");
    CLI::App* list = orphans->add_subcommand("list", "Which, and why nothing was removed");
    AddOutput(list, output_, kFormats);
    Example(list, "  slicectl orphans list\n  slicectl orphans list -o json");
    OnHub(list, [this](const OperatorConfig& config) { return RunOrphansList(config, output_); });
    AddOrphansDecide(orphans, "keep", "Let them run, and ask no more", true);
    AddOrphansDecide(orphans, "remove", "Stop and remove them on their hosts", false);
  }

  void AddOrphansDecide(CLI::App* orphans, const std::string& verb, const std::string& about, bool keep) {
    CLI::App* decide = orphans->add_subcommand(verb, about);
    decide->add_option("UID", uids_, "pod uids");
    decide->add_option("--node", node_, "all of a node");
    const std::string command = "  slicectl orphans " + verb;
    Example(decide, command + " 0b5e3a52-6a2f-4c3e-9d0e-2f6a3a1f7c11\n" + command + " --node gw-1");
    OnHub(decide, [this, keep](const OperatorConfig& config) {
      return RunOrphansDecide(config, keep, uids_, node_);
    });
  }

  void AddNode() {
    CLI::App* node = Group("node", "Slice nodes", "  slicectl node decommission gw-1");
    CLI::App* decommission = node->add_subcommand(
        "decommission", "Give up a node for good and delete its Node object: the only way that does");
    decommission->add_option("NODE", node_, "the node")->required();
    decommission->add_flag("--force", force_, "also while workloads run on its host");
    Example(decommission, "  slicectl node decommission gw-1\n  slicectl node decommission gw-1 --force");
    OnHub(decommission,
          [this](const OperatorConfig& config) { return RunNodeDecommission(config, node_, force_); });
  }

  void AddCompletion() {
    CLI::App* completion =
        app_.add_subcommand("completion", "What a shell reads to complete slicectl's commands");
    values_[completion->add_option("SHELL", shell_, "bash or zsh")
                ->required()
                ->check(CLI::IsMember({"bash", "zsh"}))] = {"bash", "zsh"};
    Example(
        completion,
        "  slicectl completion bash >/etc/bash_completion.d/slicectl\n  source <(slicectl completion bash)");
    completion->callback([this] { std::fputs(CompletionScript(shell_).c_str(), stdout); });
  }

  int Offer(const std::vector<std::string>& words) {
    // Nobody waits for long at a tab: where a cluster does not answer there are no names.
    alarm(kCompletionSeconds);
    const auto offered =
        Complete(app_, values_, words,
                 [this](const std::string& noun, const std::map<std::string, std::string>& given) {
                   return kinds_.Names(noun, given);
                 });
    for (const std::string& word : offered) std::printf("%s\n", word.c_str());
    return 0;
  }

  CLI::App app_{"slicectl: hubs, hosts, slices and what belongs to them", "slicectl"};
  Outcome outcome_;
  KnownValues values_;
  KindProgram kinds_{[this](const absl::Status& status) { outcome_.Take(status); },
                     [this](const CLI::Option* option, const std::vector<std::string>& values) {
                       values_[option] = values;
                     }};
  std::string shell_;
  std::string config_path_, directory_, output_ = "table", pod_name_, pod_ns_ = "default", node_;
  std::vector<std::string> uids_;
  std::string secret_name_ = "slicelet-hub";
  bool force_ = false;
  bool renew_ = false;
  provider::HubOptions hub_;
  HostAddOptions host_add_;
  GetOptions get_;
  LogsOptions logs_;
  ExecCommand exec_;
};

}  // namespace
}  // namespace slicelet::cli

int main(int argc, char** argv) {
  slicelet::SkipSystemAuthorities();
  slicelet::LeaveProcess(slicelet::cli::Program().Run(argc, argv));
}
