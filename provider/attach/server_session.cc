#include "provider/attach/server_session.h"

#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

namespace slicelet::provider {
namespace {

constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kOk = 200;
constexpr std::size_t kMaxErrorText = 200;

bool Succeeded(int status) { return status >= 200 && status < 300; }

Json BodyOf(const HttpClient::Answer& answer) { return ParseJson(answer.body).value_or(Json()); }

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
        if (!answer.ok()) return done(answer.status());
        const int code = answer->status;
        if (code == kBadRequest || code == kUnauthorized || code == kForbidden) return Judge(code, done);
        const absl::Status status = StatusOfServer(*answer, "log in at " + style_.login_url);
        if (!status.ok()) return done(status);
        token_ = GetString(BodyOf(*answer), style_.token_pointer);
        if (token_.empty())
          return done(absl::InternalError("log in at " + style_.login_url + ": an answer without a token"));
        token_since_ = loop_.Now();
        done(token_);
      });
}

void ServerSession::Judge(int code, const std::function<void(absl::Status)>& done) {
  if (style_.auth_version_url.empty()) return done(Doubt(code, false));
  SendOpenly("GET", style_.auth_version_url, Json(),
             [this, code, done](const absl::StatusOr<HttpClient::Answer>& answer) {
               if (answer.ok() && answer->status == kOk) return done(Doubt(code, true));
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

std::vector<std::string> IdsOf(const HttpClient::Answer& answer, const std::string& list,
                               const std::string& name) {
  std::vector<std::string> ids;
  const Json body = BodyOf(answer);
  for (const Json& item : GetArray(body, "/" + list)) {
    const std::string id = GetString(item, "/id");
    // The server finds parts of names too.
    if (!id.empty() && GetString(item, "/name") == name) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::string> IdOfCreated(const HttpClient::Answer& answer, const std::string& what) {
  SLICELET_RETURN_IF_ERROR(StatusOfServer(answer, what));
  std::string id = GetString(BodyOf(answer), "/id");
  if (id.empty()) id = answer.location.substr(answer.location.rfind('/') + 1);
  if (id.empty()) return absl::InternalError(what + ": an answer without an id");
  return id;
}

std::string UrlEncode(const std::string& text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  constexpr unsigned kLowBits = 0x0F;
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4U], kDigits[byte & kLowBits]};
    }
  }
  return out;
}

}  // namespace slicelet::provider
