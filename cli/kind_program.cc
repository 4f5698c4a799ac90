#include "cli/kind_program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cli/import/import_command.h"
#include "cli/kinds/dry_run.h"
#include "cli/kinds/help.h"
#include "cli/kinds/printer.h"
#include "common/config/config_reader.h"
#include "common/loop/asio_loop.h"
#include "kube/http/http_kube_api.h"

namespace slicelet::cli {
namespace {

std::string Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

constexpr char kPlanned[] = "the object";
constexpr char kAndSecret[] = " and the Secret that goes with it, without its values";

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }
void Say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

}  // namespace

struct KindProgram::Line {
  KindOptions options;
  std::string server;
  std::string dry_run;
  std::string file;
  std::vector<std::string> hosts;
  std::string timeout = "5m";

  absl::Status Read() {
    SLICELET_ASSIGN_OR_RETURN(options.timeout, WithName(ParseDuration(timeout)));
    options.dry_run = dry_run == "client";
    return absl::OkStatus();
  }
  static absl::StatusOr<Duration> WithName(absl::StatusOr<Duration> duration) {
    if (duration.ok()) return duration;
    return WithContext(duration.status(), "--timeout");
  }
};

KindProgram::KindProgram(Take take, Offer offer) : take_(std::move(take)), offer_(std::move(offer)) {
  hub_ns_ = Variable("SLICELET_HUB_NAMESPACE");
  if (hub_ns_.empty()) hub_ns_ = KindDefaults().hub_ns;
}
KindProgram::~KindProgram() = default;

void KindProgram::AddTo(CLI::App& app) {
  app.add_option("--kubeconfig", kube_.kubeconfig,
                 "how to reach the cluster (default: $KUBECONFIG, ~/.kube/config)");
  app.add_option("--context", kube_.context, "the kubeconfig's context (default: its current-context)");
  app.add_option("--hub-namespace", hub_ns_,
                 "where clusters, slices and hosts are (default: $SLICELET_HUB_NAMESPACE, slicelet)");
  for (const Kind& kind : Kinds()) {
    if (kind.noun == "host") continue;
    CLI::App* group = app.add_subcommand(kind.noun, kind.about)->require_subcommand(1);
    group->footer("Examples:\n" + ExampleOf(kind, "create") + "\n" + ExampleOf(kind, "list"));
    AddCreate(*group, kind);
    CLI::App* list = AddVerb(*group, kind, "list", "Which there are");
    KindOptions& options = AddListOptions(*list, kind.noun);
    list->callback([this, &options, noun = kind.noun] { take_(List(noun, options)); });
    AddGet(*group, kind);
    AddSet(*group, kind);
    if (kind.noun == "gateway") AddAttachments(*group, kind);
    AddDelete(*group, kind);
  }
  AddImport(app);
}

void KindProgram::AddImport(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("import", "Take over the state file (TOML) of the former orchestrator");
  lines_.push_back(std::make_unique<Line>());
  Line& line = *lines_.back();
  command->add_option("FILE", line.file, "the file")->required();
  command
      ->add_option("--host", line.hosts,
                   "[GATEWAY=]HOST: where gateways run, which the file does not say. Repeatable.")
      ->allow_extra_args(false);
  AddDryRun(*command, "the objects, for kubectl apply");
  command->add_option("--timeout", line.timeout, "how long to wait for a slice's namespace")
      ->capture_default_str();
  command->footer(
      "Examples:\n  slicectl import iotorch.toml --host gw-1 --dry-run\n"
      "  slicectl import iotorch.toml --host press=gw-1 --host saw=gw-2");
  command->callback([this, &line] {
    absl::Status status = line.Read();
    auto plan = status.ok() ? ReadImport(line.file, line.hosts, hub_ns_) : absl::StatusOr<ImportPlan>(status);
    if (!plan.ok()) return take_(plan.status());
    if (line.options.dry_run) return take_(PrintImport(*plan, Print, Say));
    take_(OnCluster([&](Cluster& cluster, const KubeAccess&) {
      return ApplyImport(*plan, cluster, line.options.timeout, Print, Say);
    }));
  });
}

void KindProgram::AddHostVerbs(CLI::App& host) {
  const Kind& kind = *FindKind("host");
  AddGet(host, kind);
  AddSet(host, kind);
  AddHostShortcut(host, "approve", "Give a host a node and workloads", "--approved");
  AddHostShortcut(host, "revoke", "Refuse a host at once and for good: its key has been lost", "--revoked");
  CLI::App* tag = AddVerb(host, kind, "tag", "Set and remove the operator's tags, for target conditions");
  KindOptions& options = AddOptions(*tag, kind);
  AddName(*tag, options, "the host");
  tag->add_option("TAG", options.given["--tag"], "NAME=VALUE to set one, NAME- to remove it")->required();
  AddOutput(*tag, options, true);
  tag->footer("Examples:\n  slicectl host tag gw-1 site=north line=3\n  slicectl host tag gw-1 line-");
  tag->callback([this, &options, &kind] {
    take_(Run([&](KindCommands& commands) { return commands.Set(kind, options); }));
  });
  AddDelete(host, kind);
}

bool KindProgram::cluster_named() const { return !kube_.kubeconfig.empty() || !kube_.context.empty(); }

bool KindProgram::cluster_found() const {
  const auto files = MakeSystemFileSystem();
  return HasCluster(kube_, *files, Variable);
}

absl::StatusOr<kube::KubeConfig> KindProgram::ClusterConfig() const {
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(const KubeAccess access, FindCluster(kube_, *files, Variable));
  return access.config;
}

absl::Status KindProgram::List(const std::string& noun, const KindOptions& options) {
  return Run([&](KindCommands& commands) { return commands.List(*FindKind(noun), options); });
}

std::vector<std::string> KindProgram::Names(const std::string& noun,
                                            const std::map<std::string, std::string>& given) {
  const auto value = [&](const char* option) {
    const auto it = given.find(option);
    return it == given.end() ? std::string() : it->second;
  };
  kube_ = {value("--kubeconfig"), value("--context")};
  if (const std::string ns = value("--hub-namespace"); !ns.empty()) hub_ns_ = ns;
  KindOptions options{.ns = value("--namespace"), .slice = value("--slice"), .output = "name"};
  // Slices are not where the objects of one are.
  if (FindKind(noun)->of_hub && noun == "slice") options.ns.clear();
  std::string listed;
  const auto status =
      RunInto([&](const std::string& text) { listed += text; }, [](const std::string&) {},
              [&](KindCommands& commands) { return commands.List(*FindKind(noun), options); });
  std::vector<std::string> names;
  for (std::size_t at = 0; status.ok() && at < listed.size();) {
    const auto slash = listed.find('/', at), end = listed.find('\n', at);
    names.push_back(listed.substr(slash + 1, end - slash - 1));
    at = end + 1;
  }
  return names;
}

absl::Status KindProgram::Run(const Action& action) { return RunInto(Print, Say, action); }

absl::Status KindProgram::RunInto(const KindCommands::Print& out, const KindCommands::Print& say,
                                  const Action& action) {
  return OnCluster([&](Cluster& cluster, const KubeAccess& access) {
    const auto files = MakeSystemFileSystem();
    const SystemClock clock;
    KindCommands commands(cluster, *files, clock, {hub_ns_, access.config.ns}, out, say);
    return action(commands);
  });
}

absl::Status KindProgram::OnCluster(const std::function<absl::Status(Cluster&, const KubeAccess&)>& action) {
  const auto files = MakeSystemFileSystem();
  SLICELET_ASSIGN_OR_RETURN(const KubeAccess access, FindCluster(kube_, *files, Variable));
  AsioLoop loop;
  SystemRandom random;
  const auto api = kube::MakeHttpKubeApi(access.config, loop, *files);
  Cluster cluster(loop, random, *api, access.where);
  return action(cluster, access);
}

CLI::App* KindProgram::AddVerb(CLI::App& group, const Kind& kind, const std::string& verb,
                               const std::string& about) {
  CLI::App* command = group.add_subcommand(verb, about);
  command->footer("Examples:\n" + ExampleOf(kind, verb));
  return command;
}

KindOptions& KindProgram::AddOptions(CLI::App& command, const Kind& kind) {
  lines_.push_back(std::make_unique<Line>());
  KindOptions& options = lines_.back()->options;
  command.add_option(
      "-n,--namespace", options.ns,
      kind.of_hub ? "namespace (default: the hub's)" : "namespace (default: the slice's, or the context's)");
  return options;
}

void KindProgram::AddFields(CLI::App& command, const Kind& kind, KindOptions& options, bool create) {
  for (const Field& field : SchemaOf(kind.resource).fields) {
    const bool own_verb =
        std::find(kind.not_set.begin(), kind.not_set.end(), field.path) != kind.not_set.end();
    if (!create && (field.immutable || own_verb)) continue;
    const std::string name = OptionOf(kind, field);
    std::vector<std::string>& values = options.given[name];
    if (field.type == FieldType::kBoolean) {
      command.add_flag(name, values, AboutField(field));
      continue;
    }
    CLI::Option* option = command.add_option(name, values, AboutField(field))->type_name(ValueName(field));
    const bool many = field.type == FieldType::kTexts || field.type == FieldType::kMap ||
                      field.type == FieldType::kResources;
    if (many) {
      option->allow_extra_args(false);
    } else {
      option->expected(1);
    }
    option->required(create && field.required);
    if (!field.values.empty()) offer_(option, field.values);
  }
}

void KindProgram::AddName(CLI::App& command, KindOptions& options, const std::string& about) {
  // A list would take what stands after it too.
  command
      .add_option_function<std::string>(
          "NAME", [&options](const std::string& name) { options.names = {name}; }, about)
      ->required();
}

void KindProgram::AddOutput(CLI::App& command, KindOptions& options, bool sentence) {
  if (!sentence) options.output = "table";
  CLI::Option* output = command.add_option("-o,--output", options.output,
                                           sentence ? "print the object in this form" : "how to print it");
  output->check(CLI::IsMember(kFormats));
  if (!sentence) output->capture_default_str();
  offer_(output, kFormats);
}

void KindProgram::AddWait(CLI::App& command, KindOptions& options, bool waits, const std::string& about) {
  options.wait = waits;
  command.add_flag("--wait", options.wait, about);
  command.add_option("--timeout", lines_.back()->timeout, "how long to wait, such as 90s or 10m")
      ->capture_default_str();
}

void KindProgram::AddDryRun(CLI::App& command, const std::string& what) {
  CLI::Option* dry_run = command.add_flag("--dry-run{client}", lines_.back()->dry_run,
                                          "client: print " + what + ", and change nothing");
  dry_run->check(CLI::IsMember({"none", "client"}));
  offer_(dry_run, {"none", "client"});
}

void KindProgram::AddSecret(CLI::App& command, const Kind& kind, SecretOptions& options) {
  if (kind.noun == "server") {
    CLI::Option* user = command.add_option("--user", options.user, kAboutUser);
    CLI::Option* password = command.add_option("--password-file", options.password_file, kAboutPassword);
    user->needs(password);
    password->needs(user)->type_name("FILE");
  } else if (kind.noun == "cluster") {
    command.add_option("--kubeconfig-file", options.kubeconfig_file, kAboutKubeconfig)->type_name("FILE");
  }
}

void KindProgram::AddCreate(CLI::App& group, const Kind& kind) {
  CLI::App* command = AddVerb(group, kind, "create", "Make one; one that exists is never changed");
  KindOptions& options = AddOptions(*command, kind);
  Line& line = *lines_.back();
  AddName(*command, options, "its name, a DNS label");
  AddFields(*command, kind, options, true);
  AddSecret(*command, kind, options.secret);
  // Of a kind with this field it is one of them.
  if (!kind.of_hub && FieldOf(kind, "--slice") == nullptr) {
    command->add_option("--slice", options.slice, "the slice whose namespace is meant");
  }
  AddOutput(*command, options, true);
  AddWait(*command, options, false, "return when it is Ready; steps are told on standard error");
  AddDryRun(*command, kind.secret ? kPlanned + std::string(kAndSecret) : kPlanned);
  command->callback([this, &line, &kind] {
    absl::Status status = line.Read();
    if (status.ok() && line.options.dry_run) {
      const auto files = MakeSystemFileSystem();
      status = PrintDryRun(kind, line.options, {hub_ns_, ""}, *files, Print, Say);
    } else if (status.ok()) {
      status = Run([&](KindCommands& commands) { return commands.Create(kind, line.options); });
    }
    take_(status);
  });
}

void KindProgram::AddSet(CLI::App& group, const Kind& kind) {
  CLI::App* command = AddVerb(group, kind, "set", "Change fields of one; what is not named stays");
  KindOptions& options = AddOptions(*command, kind);
  Line& line = *lines_.back();
  AddName(*command, options, "its name");
  AddFields(*command, kind, options, false);
  AddSecret(*command, kind, options.secret);
  command
      ->add_option("--unset", options.unset,
                   "an option, without dashes, whose field is taken away. Repeatable.")
      ->allow_extra_args(false)
      ->delimiter(',');
  if (!kind.of_hub) command->add_option("--slice", options.slice, "the slice whose namespace is meant");
  AddOutput(*command, options, true);
  if (kind.noun != "host") {
    AddWait(*command, options, false, "return when it is Ready; steps are told on standard error");
  }
  AddDryRun(*command, kind.secret ? kPlanned + std::string(kAndSecret) : kPlanned);
  command->callback([this, &line, &kind] {
    absl::Status status = line.Read();
    if (status.ok()) status = Run([&](KindCommands& commands) { return commands.Set(kind, line.options); });
    take_(status);
  });
}

void KindProgram::AddGet(CLI::App& group, const Kind& kind) {
  CLI::App* command = AddVerb(group, kind, "get", "One of them, with what holds and how far its steps are");
  KindOptions& options = AddOptions(*command, kind);
  AddName(*command, options, "its name");
  if (!kind.of_hub) command->add_option("--slice", options.slice, "the slice whose namespace is meant");
  AddOutput(*command, options, false);
  command->callback([this, &options, &kind] {
    take_(Run([&](KindCommands& commands) { return commands.Get(kind, options); }));
  });
}

KindOptions& KindProgram::AddListOptions(CLI::App& list, const std::string& noun) {
  const Kind& kind = *FindKind(noun);
  KindOptions& options = AddOptions(list, kind);
  if (!kind.of_hub) list.add_option("--slice", options.slice, "the slice whose namespace is meant");
  list.add_flag("-A,--all-namespaces", options.all_namespaces, "of all namespaces");
  list.add_option("-l,--selector", options.selector, "only those with these labels, such as app=press");
  AddOutput(list, options, false);
  return options;
}

void KindProgram::AddDelete(CLI::App& group, const Kind& kind) {
  CLI::App* command =
      AddVerb(group, kind, "delete", "Remove some, and wait until what was made for them is undone");
  KindOptions& options = AddOptions(*command, kind);
  Line& line = *lines_.back();
  command->add_option("NAME", options.names, "their names")->required();
  if (!kind.of_hub) command->add_option("--slice", options.slice, "the slice whose namespace is meant");
  AddWait(*command, options, true, "--wait=false returns at once");
  command->add_flag("--ignore-not-found", options.ignore_not_found, "what is not there is no failure");
  if (!kind.give_up.empty()) command->add_flag("--give-up", options.give_up, kind.give_up);
  command->callback([this, &line, &kind] {
    absl::Status status = line.Read();
    if (status.ok())
      status = Run([&](KindCommands& commands) { return commands.Delete(kind, line.options); });
    take_(status);
  });
}

void KindProgram::AddAttachments(CLI::App& group, const Kind& kind) {
  for (const bool attach : {true, false}) {
    const std::string verb = attach ? "attach" : "detach";
    CLI::App* command =
        AddVerb(group, kind, verb,
                attach ? "Export a gateway's readings to a server" : "Export its readings no more");
    KindOptions& options = AddOptions(*command, kind);
    Line& line = *lines_.back();
    AddName(*command, options, "the gateway");
    if (attach) command->add_option("--server", line.server, "the IotServer of the same slice")->required();
    command->add_option("--slice", options.slice, "the slice whose namespace is meant");
    AddOutput(*command, options, true);
    AddWait(*command, options, false,
            attach ? "return when it is Attached; steps are told on standard error"
                   : "return when it is Detached");
    command->footer("Examples:\n  slicectl gateway " + verb + " press --slice north" +
                    (attach ? " --server hall" : "") + " --wait");
    command->callback([this, &line] {
      absl::Status status = line.Read();
      if (status.ok()) {
        status = Run([&](KindCommands& commands) { return commands.Attach(line.options, line.server); });
      }
      take_(status);
    });
  }
}

void KindProgram::AddHostShortcut(CLI::App& host, const std::string& verb, const std::string& about,
                                  const std::string& option) {
  const Kind& kind = *FindKind("host");
  CLI::App* command = AddVerb(host, kind, verb, about);
  KindOptions& options = AddOptions(*command, kind);
  AddName(*command, options, "the host");
  options.given[option] = {"true"};
  AddOutput(*command, options, true);
  command->footer("Examples:\n  slicectl host " + verb + " gw-1");
  command->callback([this, &options, &kind] {
    take_(Run([&](KindCommands& commands) { return commands.Set(kind, options); }));
  });
}

}  // namespace slicelet::cli
