#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/kinds/object.h"
#include "cli/kinds/own_secret.h"
#include "cli/kube/cluster.h"
#include "common/base/time.h"

namespace slicelet::cli {

/// One command line about objects of a kind.
struct KindOptions {
  std::vector<std::string> names;
  /// -n: wins over what follows.
  std::string ns;
  /// The slice whose namespace is meant.
  std::string slice;
  bool all_namespaces = false;
  std::string selector;
  Given given;
  SecretOptions secret;
  std::vector<std::string> unset;
  /// One of `kFormats`; empty: a sentence.
  std::string output;
  bool wait = false;
  Duration timeout = std::chrono::minutes(5);
  bool dry_run = false;
  bool ignore_not_found = false;
  bool give_up = false;
};

/// Where things are when a command line does not say it.
struct KindDefaults {
  /// Of clusters, slices and hosts.
  std::string hub_ns = "slicelet";
  /// Of the kubeconfig's context.
  std::string context_ns = "default";
};

/// The verbs. Each returns when it is done; errors are one line that names the object and, where there is
/// one, the remedy.
class KindCommands {
 public:
  using Print = std::function<void(const std::string&)>;

  /// `out` gets what a script may read, `say` a line on the way. All must outlive it.
  KindCommands(Cluster& cluster, FileSystem& files, const Clock& clock, KindDefaults defaults, Print out,
               Print say);

  /// Never changes an object that is there.
  absl::Status Create(const Kind& kind, const KindOptions& options);
  absl::Status Set(const Kind& kind, const KindOptions& options);
  absl::Status Get(const Kind& kind, const KindOptions& options);
  absl::Status List(const Kind& kind, const KindOptions& options);
  absl::Status Delete(const Kind& kind, const KindOptions& options);
  /// `server` empty: detach.
  absl::Status Attach(const KindOptions& options, const std::string& server);

 private:
  struct Done {
    std::string sentence;  // "created"
    Cluster::Awaited awaited;
  };

  absl::StatusOr<std::string> NamespaceFor(const Kind& kind, const KindOptions& options);
  absl::Status CheckReferences(const Kind& kind, const KindOptions& options, const std::string& ns);
  absl::Status Refused(const Kind& kind, const kube::ObjectRef& ref, const absl::Status& status,
                       const Given& given) const;
  absl::Status Finish(const Kind& kind, const KindOptions& options, const Json& object, Done done);
  /// The Secret that the command line gives, of a name that it gives or `former` has; none: null.
  absl::StatusOr<std::unique_ptr<OwnSecret>> SecretFor(const Kind& kind, const KindOptions& options,
                                                       const std::string& ns, const Json& former, Json& spec);
  absl::StatusOr<Json> Make(const Kind& kind, const KindOptions& options, const kube::ObjectRef& ref,
                            const Json& object);
  absl::StatusOr<Json> MakeWithSecret(const Kind& kind, const KindOptions& options,
                                      const kube::ObjectRef& ref, const Json& object, OwnSecret& secret);
  absl::Status StartDelete(const Kind& kind, const KindOptions& options, const std::string& ns,
                           const std::string& name, std::vector<Cluster::Awaited>& waits);

  Cluster& cluster_;
  FileSystem& files_;
  const Clock& clock_;
  const KindDefaults defaults_;
  const Print out_;
  const Print say_;
};

/// The slice that a command line names; empty: none.
std::string GivenSlice(const KindOptions& options);

}  // namespace slicelet::cli
