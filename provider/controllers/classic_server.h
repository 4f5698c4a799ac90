#pragma once

#include <functional>
#include <optional>

#include "common/base/random.h"
#include "provider/controllers/controller.h"
#include "provider/controllers/server_users.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {

/// Reads what is known of a server's user.
using UserReports = std::function<std::optional<UserReport>(const Json& server)>;

/// Whether the hub sees to the server's user.
bool WantsUser(const Json& server);

/// Whether it is a server of others that gateways are attached to in the name of a user who is there already.
bool NeedsLogin(const Json& server);

/// The last step of such a server: the Secret that spec.credentialsSecret names has what a login needs.
void AwaitLogin(Plan& plan, const Json& server, const UserReports& users);

/// The last step of a server: its user is there, and can log in. Sets the member "user" of the status.
void AwaitUser(Plan& plan, const Json& server, const UserReports& users);

/// The servers of profile mainflux-classic: a pod on one host, with its Secrets. `random` must outlive it.
class ClassicServer {
 public:
  ClassicServer(ControllerSettings settings, Random& random, UserReports users);

  /// All that is checked and made but for its slice; returns the outcome.
  Outcome Make(Plan& plan, const World& world, const Json& server, const Look& look) const;
  /// Once nobody uses it any more.
  void Undo(Plan& plan, const World& world, const Json& server, const Look& look) const;
  /// The last of that, which also one that is given up needs.
  void UndoSecrets(Plan& plan, const Json& server, const Look& look) const;

 private:
  [[nodiscard]] std::string Place(Plan& plan, const World& world, const Json& server) const;
  void MakeSecrets(Plan& plan, const Json& server, const Look& look) const;
  [[nodiscard]] Json Labels(const Json& server) const;

  const ControllerSettings settings_;
  Random& random_;
  const UserReports users_;
};

}  // namespace slicelet::provider
