#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/encoding.h"
#include "provider/attach/iot_server.h"
#include "provider/attach/server_session.h"

namespace slicelet::provider {
namespace {

using Answer = HttpClient::Answer;

constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kConflict = 409;
constexpr int kGone = 404;
/// More things of one name than this are found by the next look.
constexpr char kPage[] = "&limit=100";
constexpr std::size_t kNameLength = 16;

ServerSession::Style Trusting(ServerSession::Style style, const std::string& ca) {
  style.ca = ca;
  return style;
}

/// What the dialects share; they differ in paths and bodies.
class RestIotServer : public IotServer {
 public:
  RestIotServer(Loop& loop, HttpClient& http, ServerAddress address, ServerSession::Style style)
      : address_(std::move(address)), session_(loop, http, Trusting(std::move(style), address_.ca)) {}

  void FindIdentities(const std::string& name, Callback<std::vector<std::string>> done) override {
    Find(IdentitiesUrl(), IdentitiesField(), name, std::move(done));
  }
  void FindChannels(const std::string& name, Callback<std::vector<std::string>> done) override {
    Find(ChannelsUrl(), "channels", name, std::move(done));
  }
  void CreateIdentity(const std::string& name, Callback<std::string> id) override {
    Create(IdentitiesUrl(), name, std::move(id));
  }
  void CreateChannel(const std::string& name, Callback<std::string> id) override {
    Create(ChannelsUrl(), name, std::move(id));
  }
  void FetchSecret(const std::string& identity, Callback<std::string> done) override {
    const std::string url = IdentitiesUrl() + "/" + PercentEncode(identity);
    session_.Send("GET", url, Json(),
                  [this, url, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
                    if (!answer.ok()) return done(answer.status());
                    done(KeyOf(*answer, SecretPointer(), "read " + url));
                  });
  }
  void DeleteIdentity(const std::string& identity, StatusCallback done) override {
    Ask("DELETE", IdentitiesUrl() + "/" + PercentEncode(identity), Json(), kGone, std::move(done));
  }
  void DeleteChannel(const std::string& channel, StatusCallback done) override {
    Ask("DELETE", ChannelsUrl() + "/" + PercentEncode(channel), Json(), kGone, std::move(done));
  }

 protected:
  [[nodiscard]] virtual std::string IdentitiesUrl() const = 0;
  [[nodiscard]] virtual std::string ChannelsUrl() const = 0;
  /// Of the answer to a list.
  [[nodiscard]] virtual std::string IdentitiesField() const = 0;
  [[nodiscard]] virtual std::string SecretPointer() const = 0;

  /// `accepted`: a code that is as good as 2xx.
  void Ask(const std::string& method, const std::string& url, const Json& body, int accepted,
           StatusCallback done) {
    session_.Send(
        method, url, body,
        [what = method + " " + url, accepted, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
          done(answer.ok() ? StatusOfServer(*answer, what, accepted) : answer.status());
        });
  }
  [[nodiscard]] const ServerAddress& address() const { return address_; }
  ServerSession& session() { return session_; }

 private:
  void Find(const std::string& url, const std::string& field, const std::string& name,
            Callback<std::vector<std::string>> done) {
    session_.Send("GET", url + "?name=" + PercentEncode(name) + kPage, Json(),
                  [url, field, name, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
                    if (!answer.ok()) return done(answer.status());
                    done(IdsOf(*answer, field, name, "look for " + name + " at " + url));
                  });
  }
  void Create(const std::string& url, const std::string& name, Callback<std::string> done) {
    session_.Send("POST", url, {{"name", name}},
                  [url, name, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
                    if (!answer.ok()) return done(answer.status());
                    done(IdOfCreated(*answer, "make " + name + " at " + url));
                  });
  }

  const ServerAddress address_;
  ServerSession session_;
};

std::string VersionUrl(const ServerAddress& address) {
  return address.auth.empty() ? "" : address.auth + "/version";
}

/// Mainflux 0.8 to 0.12.
class ClassicServer : public RestIotServer {
 public:
  ClassicServer(Loop& loop, HttpClient& http, const ServerAddress& address, const ServerLogin& login)
      : RestIotServer(loop, http, address,
                      {.login_url = address.users + "/tokens",
                       .login_body = {{"email", login.user}, {"password", login.password}},
                       .token_pointer = "/token",
                       .prefix = "",
                       // They are good for ten.
                       .token_life = std::chrono::hours(9),
                       .auth_version_url = VersionUrl(address)}),
        login_(login) {}

  void EnsureUser(StatusCallback done) override {
    const std::string url = address().users + "/users";
    session().SendOpenly(
        "POST", url, {{"email", login_.user}, {"password", login_.password}},
        [url, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
          done(answer.ok() ? StatusOfServer(*answer, "make the user at " + url, kConflict) : answer.status());
        });
  }
  void Connect(const std::string& identity, const std::string& channel, StatusCallback done) override {
    Ask("PUT", ConnectionUrl(identity, channel), Json(), kConflict, std::move(done));
  }
  void Disconnect(const std::string& identity, const std::string& channel, StatusCallback done) override {
    Ask("DELETE", ConnectionUrl(identity, channel), Json(), kGone, std::move(done));
  }
  void Verify(const std::string& identity, const std::string& channel, const std::string& key,
              StatusCallback done) override {
    if (address().access.empty()) return Look(identity, channel, key, absl::OkStatus(), std::move(done));
    const std::string url =
        address().access + "/identify/channels/" + PercentEncode(channel) + "/access-by-key";
    session().SendOpenly(
        "POST", url, {{"token", key}},
        [this, identity, channel, key, url, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
          if (!answer.ok()) return done(answer.status());
          if (answer->status == kOk) return done(StatusOfServer(*answer, url));
          // 0.12 answers 500 to a key that it does not know, and also when its cache or database fails.
          Look(identity, channel, key,
               absl::UnavailableError(url + ": the server answered " + std::to_string(answer->status) +
                                      " although the thing is connected and has this key"),
               done);
        });
  }
  [[nodiscard]] std::string TopicFor(const std::string& channel) const override {
    return "channels/" + channel + "/messages";
  }

 protected:
  [[nodiscard]] std::string IdentitiesUrl() const override { return address().things + "/things"; }
  [[nodiscard]] std::string ChannelsUrl() const override { return address().things + "/channels"; }
  [[nodiscard]] std::string IdentitiesField() const override { return "things"; }
  [[nodiscard]] std::string SecretPointer() const override { return "/key"; }

 private:
  [[nodiscard]] std::string ConnectionUrl(const std::string& identity, const std::string& channel) const {
    return ChannelsUrl() + "/" + PercentEncode(channel) + "/things/" + PercentEncode(identity);
  }
  /// `if_good`: the answer when thing, connection and key are as they should be.
  void Look(const std::string& identity, const std::string& channel, const std::string& key,
            const absl::Status& if_good, StatusCallback done) {
    const std::string url = ChannelsUrl() + "/" + PercentEncode(channel) + "/things";
    session().Send(
        "GET", url, Json(),
        [identity, channel, key, url, if_good, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
          if (!answer.ok()) return done(answer.status());
          const absl::StatusOr<Json> things = ListOf(*answer, "things", "look at " + url);
          if (!things.ok()) return done(things.status());
          // A channel of ours has one thing.
          const bool good = std::any_of(things->begin(), things->end(), [&](const Json& thing) {
            return GetString(thing, "/id") == identity && GetString(thing, "/key") == key;
          });
          done(good ? if_good
                    : absl::PermissionDeniedError("thing " + identity + " is not connected to channel " +
                                                  channel + ", or has another key"));
        });
  }

  const ServerLogin login_;
};

/// Magistrala 0.16 to 0.30.
class MagistralaServer : public RestIotServer {
 public:
  MagistralaServer(Loop& loop, HttpClient& http, const ServerAddress& address, const ServerLogin& login)
      : RestIotServer(loop, http, address,
                      {.login_url = address.users + "/users/tokens/issue",
                       // The fields were renamed on the way; each release ignores the other's.
                       .login_body = {{"identity", login.user},
                                      {"secret", login.password},
                                      {"username", login.user},
                                      {"password", login.password}},
                       .token_pointer = "/access_token",
                       .prefix = "Bearer ",
                       .token_life = std::chrono::minutes(30),
                       .auth_version_url = VersionUrl(address)}),
        login_(login) {}

  /// Registers the user, which a server may allow to nobody, and sees whether it is in the domain: nobody but
  /// the domain's administrators can add it.
  void EnsureUser(StatusCallback done) override {
    const std::string url = address().users + "/users";
    session().SendOpenly(
        "POST", url, Registration(),
        [this, url, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
          if (!answer.ok()) return done(answer.status());
          const bool closed = answer->status == kUnauthorized || answer->status == kForbidden;
          if (closed)
            return AskDomain(url + " lets nobody register: the server's administrator makes users", done);
          const absl::Status status = StatusOfServer(*answer, "make the user at " + url, kConflict);
          if (!status.ok()) return done(status);
          AskDomain("", done);
        });
  }
  void Connect(const std::string& identity, const std::string& channel, StatusCallback done) override {
    Ask("POST", ChannelsUrl() + "/connect", Connection(identity, channel), kConflict, std::move(done));
  }
  void Disconnect(const std::string& identity, const std::string& channel, StatusCallback done) override {
    Ask("POST", ChannelsUrl() + "/disconnect", Connection(identity, channel), kGone, std::move(done));
  }
  /// Connecting once more says whether the connection can be; the rest is the key.
  void Verify(const std::string& identity, const std::string& channel, const std::string& key,
              StatusCallback done) override {
    FetchSecret(identity, [this, identity, channel, key,
                           done = std::move(done)](const absl::StatusOr<std::string>& now) {
      if (!now.ok() && !absl::IsNotFound(now.status())) return done(now.status());
      if (!now.ok() || *now != key)
        return done(absl::PermissionDeniedError("client " + identity + " is gone, or has another key"));
      Connect(identity, channel, done);
    });
  }
  [[nodiscard]] std::string TopicFor(const std::string& channel) const override {
    return "m/" + address().domain + "/c/" + channel;
  }

 protected:
  [[nodiscard]] std::string IdentitiesUrl() const override { return Base() + "/clients"; }
  [[nodiscard]] std::string ChannelsUrl() const override { return Base() + "/channels"; }
  [[nodiscard]] std::string IdentitiesField() const override { return "clients"; }
  [[nodiscard]] std::string SecretPointer() const override { return "/credentials/secret"; }

 private:
  [[nodiscard]] std::string Base() const { return address().things + "/" + PercentEncode(address().domain); }
  /// The fields were renamed on the way; each release ignores the others'.
  [[nodiscard]] Json Registration() const {
    // A name of its own for every user, of letters that all releases take; one logs in with the address.
    const std::string name = "slicelet-" + HexEncode(Sha256(login_.user).value()).substr(0, kNameLength);
    return {{"name", name},
            {"first_name", "slicelet"},
            {"last_name", name},
            {"email", login_.user},
            {"credentials", {{"identity", login_.user}, {"username", name}, {"secret", login_.password}}}};
  }
  /// `closed`: why the user was not made; empty when it is there.
  void AskDomain(const std::string& closed, StatusCallback done) {
    const std::string url = IdentitiesUrl() + "?limit=1";
    session().Send("GET", url, Json(),
                   [this, url, closed, done = std::move(done)](const absl::StatusOr<Answer>& answer) {
                     if (absl::IsUnauthenticated(answer.status()) && !closed.empty())
                       return done(absl::UnauthenticatedError(Message(answer.status()) + "; " + closed));
                     if (!answer.ok()) return done(answer.status());
                     if (answer->status != kForbidden) return done(StatusOfServer(*answer, "look at " + url));
                     done(absl::PermissionDeniedError(
                         "user " + login_.user + " may not see the clients of domain " + address().domain +
                         ": an administrator of the domain adds it, with the rights to make clients and "
                         "channels"));
                   });
  }
  static Json Connection(const std::string& identity, const std::string& channel) {
    return {{"client_ids", Json::array({identity})},
            {"channel_ids", Json::array({channel})},
            {"types", Json::array({"publish", "subscribe"})}};
  }

  const ServerLogin login_;
};

}  // namespace

std::unique_ptr<IotServer> MakeIotServer(ServerDialect dialect, Loop& loop, HttpClient& http,
                                         const ServerAddress& address, const ServerLogin& login) {
  if (dialect == ServerDialect::kClassic) return std::make_unique<ClassicServer>(loop, http, address, login);
  return std::make_unique<MagistralaServer>(loop, http, address, login);
}

}  // namespace slicelet::provider
