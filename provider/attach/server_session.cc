#include "provider/attach/server_session.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::provider {
namespace {

constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kOk = 200;
constexpr std::size_t kMaxErrorText = 200;
/// As long as a gateway's status takes it.
constexpr std::size_t kMaxId = 128;

bool Succeeded(int status) { return status >= 200 && status < 300; }

Json BodyOf(const HttpClient::Answer& answer) { return ParseJson(answer.body).value_or(Json()); }

/// What these servers answer is empty or JSON; a proxy before them has pages for people.
bool IsPage(const HttpClient::Answer& answer) { return !answer.body.empty() && !ParseJson(answer.body).ok(); }

/// UUIDs and ULIDs are. Nothing else gets into a path, a topic or a record.
bool IsId(const std::string& id) {
  const auto may_be = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  };
  return id.size() <= kMaxId && std::all_of(id.begin(), id.end(), may_be) &&
         std::any_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
}

absl::Status NoId(const std::string& what) {
  return absl::InternalError(what + ": the server's id of it is not 1 to " + std::to_string(kMaxId) +
                             " of A-Z, a-z, 0-9, '-', '_' and '.'");
}

/// Without its body, which may hold a key.
absl::Status NoAnswer(const HttpClient::Answer& answer, const std::string& what) {
  return absl::UnavailableError(what + ": the answer " + std::to_string(answer.status) +
                                " is not the server's own: look at the proxy before it, if there is one");
}

}  // namespace

ServerSession::ServerSession(Loop& loop, HttpClient& http, const Style& style)
    : loop_(loop), http_(http), style_(style) {}

void ServerSession::SendOpenly(const std::string& method, const std::string& url, const Json& body,
                               Answered done) {
  http_.Send({.method = method, .url = url, .body = body.is_null() ? "" : DumpJson(body), .ca = style_.ca},
             lifetime_.Guard(std::move(done)));
}

void ServerSession::Send(const std::string& method, const std::string& url, const Json& body, Answered done) {
  HttpClient::Request request{
      .method = method, .url = url, .body = body.is_null() ? "" : DumpJson(body), .ca = style_.ca};
  if (!token_.empty() && loop_.Now() - token_since_ < style_.token_life)
    return SendWith(token_, request, false, done);
  LogIn(
      [this, request = std::move(request), done = std::move(done)](const absl::StatusOr<std::string>& token) {
        if (!token.ok()) return done(token.status());
        SendWith(*token, request, true, done);
      });
}

void ServerSession::SendWith(const std::string& token, const HttpClient::Request& request, bool fresh,
                             const Answered& done) {
  HttpClient::Request authorized = request;
  authorized.headers.emplace_back("Authorization", style_.prefix + token);
  http_.Send(authorized,
             lifetime_.Guard([this, request, fresh, done](absl::StatusOr<HttpClient::Answer> answer) {
               if (!answer.ok() || answer->status != kUnauthorized) {
                 if (answer.ok()) refused_since_.reset();
                 return done(std::move(answer));
               }
               token_.clear();
               // A token of a minute ago may have ended with the server's restart; a new one may not be
               // refused.
               if (fresh) return Judge(kUnauthorized, done);
               LogIn([this, request, done](const absl::StatusOr<std::string>& again) {
                 if (!again.ok()) return done(again.status());
                 SendWith(*again, request, true, done);
               });
             }));
}

void ServerSession::LogIn(const Callback<std::string>& done) {
  SendOpenly(
      "POST", style_.login_url, style_.login_body,
      [this, done](const absl::StatusOr<HttpClient::Answer>& answer) {
        const int code = answer.ok() ? answer->status : 0;
        if (code == kBadRequest || code == kUnauthorized || code == kForbidden) return Judge(code, done);
        const absl::Status status =
            answer.ok() ? StatusOfServer(*answer, "log in at " + style_.login_url) : answer.status();
        if (!status.ok()) {
          // What was refused before an outage says nothing of what comes after it.
          refused_since_.reset();
          return done(status);
        }
        token_ = GetString(BodyOf(*answer), style_.token_pointer);
        if (token_.empty())
          return done(absl::InternalError("log in at " + style_.login_url + ": an answer without a token"));
        token_since_ = loop_.Now();
        done(token_);
      });
}

void ServerSession::Judge(int code, const std::function<void(absl::Status)>& done) {
#ifdef SLICELET_PLANTS
  if (sim::Planted(sim::Plant::kBelieveRefusal)) return done(absl::UnauthenticatedError(style_.login_url));
#endif
  if (style_.auth_version_url.empty()) return done(Doubt(code, false));
  SendOpenly("GET", style_.auth_version_url, Json(),
             [this, code, done](const absl::StatusOr<HttpClient::Answer>& answer) {
               if (answer.ok() && answer->status == kOk && !IsPage(*answer)) return done(Doubt(code, true));
               refused_since_.reset();
               done(absl::UnavailableError("the server's auth service does not answer (" +
                                           style_.auth_version_url + "): that it refused the login with " +
                                           std::to_string(code) + " says nothing about the credentials"));
             });
}

absl::Status ServerSession::Doubt(int code, bool auth_answers) {
  if (!refused_since_) refused_since_ = loop_.Now();
  const std::string refusal = style_.login_url + " refuses the login with " + std::to_string(code);
  // Its services find an auth that has come back only after a while.
  if ((auth_answers && code == kForbidden) || loop_.Now() - *refused_since_ >= IotServer::kBelief)
    return absl::UnauthenticatedError(refusal + ": correct the user and password of its credentials");
  return absl::UnavailableError(refusal + "; asked again before it is believed");
}

absl::Status StatusOfServer(const HttpClient::Answer& answer, const std::string& what, int accepted) {
  if (Succeeded(answer.status) && IsPage(answer)) return NoAnswer(answer, what);
  if (Succeeded(answer.status) || answer.status == accepted) return absl::OkStatus();
  const std::string message = what + ": the server answered " + std::to_string(answer.status) + " " +
                              answer.body.substr(0, kMaxErrorText);
  switch (answer.status) {
    case 400:
    case 415:
    case 422:
      return absl::InvalidArgumentError(message);
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 409:
      return absl::AlreadyExistsError(message);
    case 429:
    case 502:
    case 503:
    case 504:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<Json> ListOf(const HttpClient::Answer& answer, const std::string& list,
                            const std::string& what) {
  SLICELET_RETURN_IF_ERROR(StatusOfServer(answer, what));
  const Json body = BodyOf(answer);
  const Json* items = FindJson(body, "/" + list);
  // Both dialects have it, also when nothing is in it.
  if (items == nullptr || !items->is_array()) return NoAnswer(answer, what);
  return *items;
}

absl::StatusOr<std::vector<std::string>> IdsOf(const HttpClient::Answer& answer, const std::string& list,
                                               const std::string& name, const std::string& what) {
  SLICELET_ASSIGN_OR_RETURN(const Json items, ListOf(answer, list, what));
  std::vector<std::string> ids;
  for (const Json& item : items) {
    // The server finds parts of names too.
    if (GetString(item, "/name") != name) continue;
    ids.push_back(GetString(item, "/id"));
    if (!IsId(ids.back())) return NoId(what);
  }
  return ids;
}

absl::StatusOr<std::string> IdOfCreated(const HttpClient::Answer& answer, const std::string& what) {
  SLICELET_RETURN_IF_ERROR(StatusOfServer(answer, what));
  std::string id = GetString(BodyOf(answer), "/id");
  if (id.empty()) id = answer.location.substr(answer.location.rfind('/') + 1);
  if (id.empty()) return NoAnswer(answer, what);
  if (!IsId(id)) return NoId(what);
  return id;
}

absl::StatusOr<std::string> KeyOf(const HttpClient::Answer& answer, const std::string& pointer,
                                  const std::string& what) {
  SLICELET_RETURN_IF_ERROR(StatusOfServer(answer, what));
  const auto body = ParseJson(answer.body);
  if (!body.ok()) return NoAnswer(answer, what);
  std::string key = GetString(*body, pointer);
  if (key.empty()) return absl::InternalError(what + ": an answer without a key");
  return key;
}

}  // namespace slicelet::provider
