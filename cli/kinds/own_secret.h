#pragma once

#include <functional>
#include <map>
#include <string>

#include "cli/kinds/kind.h"
#include "cli/kube/cluster.h"
#include "common/base/file_system.h"

namespace slicelet::cli {

/// What a command line says about a Secret: names of files, never what is in them.
struct SecretOptions {
  std::string user{};
  std::string password_file{};
  std::string kubeconfig_file{};

  [[nodiscard]] bool given() const {
    return !user.empty() || !password_file.empty() || !kubeconfig_file.empty();
  }
};

/// By key.
using SecretData = std::map<std::string, std::string>;

/// Reads the files: "email" and "password", or "kubeconfig", which must have everything inside it and hold
/// `context` (empty: a current-context). `say` gets a note about a password that others may read.
/// FailedPrecondition names the file and what is wrong with it, never its content.
absl::StatusOr<SecretData> ReadSecret(const SecretOptions& options, const std::string& context,
                                      FileSystem& files, const std::function<void(const std::string&)>& say);

/// A Secret's name, and what it holds.
struct NamedSecret {
  std::string name;
  SecretData data;
};

/// The Secret that a command line gives an object. Its name is the one that `spec` has, else the one that the
/// `former` spec had, else one made of the object's; `spec` has it afterwards. Errors as of `ReadSecret`.
absl::StatusOr<NamedSecret> NameSecret(const Kind& kind, const std::string& object,
                                       const SecretOptions& options, const Json& former, Json& spec,
                                       FileSystem& files, const std::function<void(const std::string&)>& say);

/// The Secret as it is made for `object`, of whose kind it is said how. `owner` null: nobody's yet.
Json SecretObject(const Kind& kind, const std::string& ns, const std::string& object,
                  const NamedSecret& secret, const Json* owner);

/// A Secret that slicectl makes for an object, and that goes with it: it has a label with the object's name,
/// and the object as its owner once that is there.
///
/// Every call may be repeated after a failure: what is there already is brought up to date. A Secret of
/// somebody else is left alone.
class OwnSecret {
 public:
  /// `object` is the name of the object, in the same namespace. `kind` has a secret.
  OwnSecret(Cluster& cluster, const Kind& kind, std::string ns, std::string object, NamedSecret secret);

  /// Makes it, or makes it hold `data`. `owner` null: the object is not there yet. `named`: the object's spec
  /// names it already, so that it may be anybody's; whose it is then stays.
  absl::Status Put(const Json* owner, bool named = false);
  /// It is there, and `owner` owns it.
  absl::StatusOr<bool> BelongsTo(const Json& owner);
  /// What `Put` would write, with the values.
  [[nodiscard]] Json Planned(const Json* owner, bool named) const;
  /// Removes what the last `Put` has made; what was there before stays.
  void TakeBack();

  /// The last `Put` made it, or changed what it holds.
  [[nodiscard]] bool changed() const { return changed_; }

 private:
  [[nodiscard]] std::string Called() const;
  [[nodiscard]] absl::Status MayChange(const Json& is, const Json* owner) const;

  Cluster& cluster_;
  const Kind& kind_;
  const kube::ObjectRef ref_;
  const std::string object_;
  const NamedSecret secret_;
  /// Of the one that the last `Put` made.
  std::string made_uid_;
  bool changed_ = false;
};

}  // namespace slicelet::cli
