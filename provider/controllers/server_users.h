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

/// What is known of a server's user.
struct UserReport {
  /// OK: it is there, and can log in. Unauthenticated: another password is its own.
  absl::Status status;
  std::string email;
};

/// Makes the users of IotServers: of every one whose status has begun step "User", once for each pod that it
/// has, for a server may come back without its data. What fails is tried again.
class ServerUsers {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::seconds(30)};

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
