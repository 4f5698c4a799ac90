#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"

namespace slicelet::provider {

/// What gateways need on an IoT server: identities, channels, and connections between them. All callbacks
/// come on the loop, and none after destruction. Nothing is tried again here but a login whose token has run
/// out.
///
/// Errors: Unavailable (the server, or what it needs itself, is away: try later), Unauthenticated (the login
/// is refused, and that is believed), NotFound (an id), else what the server answered.
///
/// A refused login proves nothing while the server's own auth service is down: Mainflux answers 401 and 400
/// then. It is believed at once only when auth answers and the code is 403, and otherwise when it has been
/// refused for `kBelief`; until then it is Unavailable.
class IotServer {
 public:
  static constexpr Duration kBelief = std::chrono::minutes(1);

  virtual ~IotServer() = default;

  /// Makes the user of the login if there is none.
  virtual void EnsureUser(StatusCallback done) = 0;

  /// Ids of what has exactly this name: names are not unique.
  virtual void FindIdentities(const std::string& name, Callback<std::vector<std::string>> done) = 0;
  virtual void FindChannels(const std::string& name, Callback<std::vector<std::string>> done) = 0;
  virtual void CreateIdentity(const std::string& name, Callback<std::string> id) = 0;
  virtual void CreateChannel(const std::string& name, Callback<std::string> id) = 0;
  /// OK also when they are connected already.
  virtual void Connect(const std::string& identity, const std::string& channel, StatusCallback done) = 0;
  virtual void FetchSecret(const std::string& identity, Callback<std::string> done) = 0;
  /// PermissionDenied when this key may not publish to the channel.
  virtual void Verify(const std::string& identity, const std::string& channel, const std::string& key,
                      StatusCallback done) = 0;

  /// What is gone already is OK.
  virtual void Disconnect(const std::string& identity, const std::string& channel, StatusCallback done) = 0;
  virtual void DeleteIdentity(const std::string& identity, StatusCallback done) = 0;
  virtual void DeleteChannel(const std::string& channel, StatusCallback done) = 0;

  /// Where a gateway publishes, for senml-export's SENML_TOPIC.
  [[nodiscard]] virtual std::string TopicFor(const std::string& channel) const = 0;
};

enum class ServerDialect {
  /// Mainflux 0.8 to 0.12.
  kClassic,
  /// Magistrala 0.16 to 0.30: domains, clients.
  kMagistrala,
};

/// Base URLs without a slash at their end.
struct ServerAddress {
  std::string users;
  std::string things;
  /// The auth service, which tells an outage from a refusal; "" when it cannot be reached.
  std::string auth;
  /// Classic: where a key is checked (its default port is 8989); "" when it cannot be reached: the connection
  /// and the key are compared instead.
  std::string access;
  /// Magistrala.
  std::string domain;
  /// PEM authorities for https; "" for the system's.
  std::string ca{};
};

/// Never logged.
struct ServerLogin {
  std::string user;
  std::string password;
};

/// `loop` and `http` must outlive it.
std::unique_ptr<IotServer> MakeIotServer(ServerDialect dialect, Loop& loop, HttpClient& http,
                                         const ServerAddress& address, const ServerLogin& login);

}  // namespace slicelet::provider
