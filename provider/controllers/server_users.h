#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"
#include "provider/attach/iot_server.h"
#include "provider/controllers/settings.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The step of an IotServer that makes its user.
inline constexpr char kUserStep[] = "User";
/// The step of a server of others, whose user is its own business: the Secret with that user's login is
/// there.
inline constexpr char kLoginStep[] = "Credentials";

/// What is known of a server's user.
struct UserReport {
  /// Of step "User". OK: it is there, and can log in. Unauthenticated: another password is its own.
  /// Of step "Credentials". OK: the Secret has what a login needs. NotFound: there is no such Secret.
  /// Of both. InvalidArgument: the Secret lacks a key.
  absl::Status status;
  std::string email;
};

/// Makes the users of IotServers, and nothing else does: of every one whose status has begun step "User". It
/// sees to it that they stay, for a server may come back without its data. Of one that has begun step
/// "Credentials" it only reads the Secret, again and again. What fails is tried again.
class ServerUsers {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::seconds(30)};
  /// Between two looks at a Secret that is as it should be.
  static constexpr Duration kLookAgain = std::chrono::minutes(1);
  /// Between two logins of a user who could log in; at a server's next pod it is tried at once.
  static constexpr Duration kLogInAgain = std::chrono::minutes(5);

  /// All must outlive it.
  ServerUsers(ControllerSettings settings, Loop& loop, Random& random, kube::KubeApi& api, HttpClient& http);
  ~ServerUsers();

  /// Begins and ends what the world asks for. To be called whenever it has changed.
  void Look(const World& world);

  /// nullopt: nothing has been heard of it yet.
  [[nodiscard]] std::optional<UserReport> Of(const Json& server) const;

 private:
  struct Job;
  void Run(Job& job);
  void Ask(Job& job, const Json& secret);
  void Make(Job& job);
  void LogIn(Job& job, StatusCallback done);
  void Finish(Job& job, const absl::Status& status);

  const ControllerSettings settings_;
  Loop& loop_;
  Random& random_;
  kube::KubeApi& api_;
  HttpClient& http_;
  /// By the server's uid.
  std::map<std::string, std::unique_ptr<Job>> jobs_;
};

}  // namespace slicelet::provider
