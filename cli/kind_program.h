#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/kinds/commands.h"
#include "cli/kube/access.h"
#include "common/base/status.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace slicelet::cli {

/// The part of the command line that is about Kubernetes objects: a noun for each of `Kinds`, with its verbs.
class KindProgram {
 public:
  using Take = std::function<void(const absl::Status&)>;
  /// Told of the options whose values are known, for completion.
  using Offer = std::function<void(const CLI::Option*, const std::vector<std::string>&)>;

  /// `take` gets how a command ended.
  KindProgram(Take take, Offer offer);
  ~KindProgram();
  KindProgram(const KindProgram&) = delete;
  KindProgram& operator=(const KindProgram&) = delete;

  /// Adds --kubeconfig, --context, --hub-namespace, `import` and every noun but "host".
  void AddTo(CLI::App& app);
  /// Adds what concerns EdgeHost objects to a group of that name, all but `list`.
  void AddHostVerbs(CLI::App& host);
  /// Adds the options of `list` to a command.
  KindOptions& AddListOptions(CLI::App& list, const std::string& noun);

  /// Where clusters, slices and hosts are; known once the command line was read.
  [[nodiscard]] const std::string& hub_namespace() const { return hub_ns_; }
  /// Somebody says which cluster is meant.
  [[nodiscard]] bool cluster_named() const;
  /// There is a kubeconfig to find.
  [[nodiscard]] bool cluster_found() const;
  /// Of the cluster that is named, or else found.
  [[nodiscard]] absl::StatusOr<kube::KubeConfig> ClusterConfig() const;
  absl::Status List(const std::string& noun, const KindOptions& options);
  /// The names of a noun's objects, as options given so far choose them; empty on any failure: for
  /// completion.
  std::vector<std::string> Names(const std::string& noun, const std::map<std::string, std::string>& given);

 private:
  using Action = std::function<absl::Status(KindCommands&)>;

  CLI::App* AddVerb(CLI::App& group, const Kind& kind, const std::string& verb, const std::string& about);
  KindOptions& AddOptions(CLI::App& command, const Kind& kind);
  void AddFields(CLI::App& command, const Kind& kind, KindOptions& options, bool create);
  void AddName(CLI::App& command, KindOptions& options, const std::string& about);
  void AddOutput(CLI::App& command, KindOptions& options, bool sentence);
  void AddWait(CLI::App& command, KindOptions& options, bool waits, const std::string& about);
  void AddDryRun(CLI::App& command, const std::string& what);
  void AddSecret(CLI::App& command, const Kind& kind, SecretOptions& options);

  void AddCreate(CLI::App& group, const Kind& kind);
  void AddSet(CLI::App& group, const Kind& kind);
  void AddGet(CLI::App& group, const Kind& kind);
  void AddDelete(CLI::App& group, const Kind& kind);
  void AddAttachments(CLI::App& group, const Kind& kind);
  void AddImport(CLI::App& app);
  void AddHostShortcut(CLI::App& host, const std::string& verb, const std::string& about,
                       const std::string& option);

  /// Opens the cluster for as long as the action runs.
  absl::Status OnCluster(const std::function<absl::Status(Cluster&, const KubeAccess&)>& action);
  absl::Status Run(const Action& action);
  absl::Status RunInto(const KindCommands::Print& out, const KindCommands::Print& say, const Action& action);

  struct Line;
  const Take take_;
  const Offer offer_;
  KubeOptions kube_;
  std::string hub_ns_;
  /// What each command's options are written to.
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace slicelet::cli
