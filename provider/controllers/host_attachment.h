#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"
#include "kube/kube_api.h"
#include "provider/attach/attacher.h"
#include "provider/controllers/attach_store.h"
#include "provider/controllers/plan.h"

namespace slicelet::provider {

/// One gateway on one host at one server: reads the login, and keeps an `Attacher` going for it. Everything
/// on the loop.
class HostAttachment {
 public:
  static constexpr Backoff::Options kBackoff{std::chrono::seconds(1), std::chrono::minutes(1)};
  /// A password that was changed in its Secret is read anew so long after the server refused the former one.
  static constexpr Duration kReadAgain = std::chrono::seconds(30);
  /// The gateway's Secret is looked at this often at most, and half as often at least: nobody tells when it
  /// is removed, as by a user or with the API server's restoration.
  static constexpr Duration kLookAtSecret = std::chrono::minutes(5);

  enum class Wish {
    /// As it is: it can not be told yet.
    kKeep,
    kAttach,
    kDetach,
  };
  /// What the world says.
  struct Asked {
    /// Of the server (`ServerFactsOf`); null when it is not known.
    Json server;
    /// What the gateway's status has recorded.
    AttachRecord stored;
    Wish wish = Wish::kKeep;
    /// What the server holds may be left behind, once it does not take it back.
    bool give_up = false;
    KubeAttachStore::Form secret;
    absl::Status exporter;
  };
  struct Dependencies {
    Loop& loop;
    Random& random;
    kube::KubeApi& api;
    HttpClient& http;
  };

  /// `name` is what things and channels are called. `changed`: what `record` says may differ.
  HostAttachment(Dependencies dependencies, KubeAttachStore::Place place, KubeAttachStore::Written written,
                 std::function<void()> changed);

  void Ask(Asked asked);

  /// What is so now, with the reason why it is not better.
  [[nodiscard]] AttachRecord record() const;
  /// Nothing is there and nothing is under way.
  [[nodiscard]] bool over() const;
  /// The server is being asked for things, or is about to be.
  [[nodiscard]] bool busy() const;

 private:
  void Open();
  void OnLogin(const absl::StatusOr<Json>& secret);
  void OnKey(const absl::StatusOr<std::string>& key);
  void Fail(const std::string& reason, const std::string& message);
  void Apply();
  /// The API server did not take the record's end.
  void ForgetLater();
  void OnChanged();
  /// The password may have been changed in its Secret.
  void ReadAgainLater();
  void LookAtSecretLater();
  void LookAtSecret();

  Dependencies to_;
  const std::string ns_, server_name_, name_;
  const std::function<void()> changed_;
  KubeAttachStore store_;
  Asked asked_;
  /// The server's, with which the session was opened.
  Json facts_;
  /// The store has a part in it, until it is stopped.
  std::shared_ptr<IotServer> server_;
  std::unique_ptr<Attacher> attacher_;
  std::optional<absl::Status> reported_;
  /// Why there is no session.
  std::optional<Finding> problem_;
  bool forgetting_ = false;
  Backoff backoff_;
  Timer timer_;
  Timer look_;
  /// Of one opening; another one begins with a new one.
  std::unique_ptr<Lifetime> opening_;
  Lifetime lifetime_;
};

/// What attaching needs of an IotServer: as its status tells, whatever the profile. Null while it does not
/// tell all.
Json ServerFactsOf(const Json& server);

}  // namespace slicelet::provider
