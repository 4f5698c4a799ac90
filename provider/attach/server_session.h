#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/json/json.h"
#include "common/loop/loop.h"
#include "common/rest/http_client.h"
#include "provider/attach/iot_server.h"

namespace slicelet::provider {

/// A login at a server, and requests with its token.
class ServerSession {
 public:
  /// How a dialect logs in.
  struct Style {
    std::string login_url;
    Json login_body;
    /// Where the token is in the answer.
    std::string token_pointer;
    /// What stands before the token in the Authorization header.
    std::string prefix;
    /// A token is not used when it is older.
    Duration token_life;
    /// Answers 200 while refusals can be believed; "" when nobody knows.
    std::string auth_version_url;
    /// See HttpClient::Request.
    std::string ca{};
  };

  ServerSession(Loop& loop, HttpClient& http, const Style& style);

  /// With a token; a new one when the server refuses it. `done` never gets a 401.
  void Send(const std::string& method, const std::string& url, const Json& body,
            Callback<HttpClient::Answer> done);
  /// Without one.
  void SendOpenly(const std::string& method, const std::string& url, const Json& body,
                  Callback<HttpClient::Answer> done);

 private:
  using Answered = Callback<HttpClient::Answer>;
  void SendWith(const std::string& token, const HttpClient::Request& request, bool fresh,
                const Answered& done);
  void LogIn(const Callback<std::string>& done);
  void Judge(int code, const std::function<void(absl::Status)>& done);
  absl::Status Doubt(int code, bool auth_answers);

  Loop& loop_;
  HttpClient& http_;
  const Style style_;
  std::string token_;
  MonotonicTime token_since_{};
  /// Since when the login is refused without a break.
  std::optional<MonotonicTime> refused_since_;
  Lifetime lifetime_;
};

/// OK for 2xx and for `accepted`; else the status that stands for the code, with what was asked for. A 2xx
/// with a page for people is Unavailable: it comes from what stands before the server.
absl::Status StatusOfServer(const HttpClient::Answer& answer, const std::string& what, int accepted = 0);
/// Unavailable for an answer without that list: nobody has said that it is empty.
absl::StatusOr<Json> ListOf(const HttpClient::Answer& answer, const std::string& list,
                            const std::string& what);
/// Ids of the objects in `list` that have exactly this name. Of what no such server calls its objects nothing
/// is told.
absl::StatusOr<std::vector<std::string>> IdsOf(const HttpClient::Answer& answer, const std::string& list,
                                               const std::string& name, const std::string& what);
/// The id of what was made: from the answer's body or its Location.
absl::StatusOr<std::string> IdOfCreated(const HttpClient::Answer& answer, const std::string& what);
/// The key that an answer tells.
absl::StatusOr<std::string> KeyOf(const HttpClient::Answer& answer, const std::string& pointer,
                                  const std::string& what);

}  // namespace slicelet::provider
