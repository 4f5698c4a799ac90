#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/http/http_server.h"
#include "common/metrics/metrics_page.h"
#include "provider/rest/logins.h"
#include "provider/rest/rest_hub.h"
#include "provider/rest/rest_options.h"
#include "provider/rest/routes.h"

namespace slicelet::provider {

/// The admin API without its socket: lets requests in, checks them against what their route documents, has
/// them carried out, and writes down who changed what.
///
///   /healthz, login -> token? (401) -> too many? (429) -> path? (404) -> method? (405) -> role? (403)
///     -> parameters and body as documented? (400, 413, 415) -> the route
///
/// Without a token nothing but 401 is to be seen, whatever the path. Runs on the loop.
class AdminRest {
 public:
  static constexpr std::size_t kMaxBody = std::size_t{256} << 10;
  /// Requests that wait for Kubernetes or for a password.
  static constexpr std::size_t kMaxPending = 64;

  struct Dependencies {
    Loop& loop;
    Random& random;
    UsersFile& users;
    PasswordChecker& passwords;
    const RestHub& hub;
  };

  /// Internal when the kinds' schemas that are built in can not be read. All must outlive it.
  static absl::StatusOr<std::unique_ptr<AdminRest>> Make(const AdminRestOptions& options,
                                                         Dependencies dependencies);

  using Answered = std::function<void(HttpResponse)>;
  void Handle(const HttpRequest& request, const Answered& answered);

  /// Answers so far, by status.
  void AddMetrics(MetricsPage& page) const;

  // For tests: what is documented.
  [[nodiscard]] const std::vector<RestRoute>& routes() const { return routes_; }
  [[nodiscard]] const Json& components() const { return components_; }

 private:
  struct Match {
    const RestRoute* route = nullptr;
    std::map<std::string, std::string> path;
  };

  AdminRest(const AdminRestOptions& options, Dependencies dependencies);
  absl::Status AddRoutes();
  [[nodiscard]] std::vector<Match> Find(const std::vector<std::string>& segments) const;
  void Carry(const Match& match, const HttpRequest& request, RestCall call, const Answered& answered);
  void Finish(const HttpRequest& request, const Answered& answered, const RestAnswer& answer);

  const Dependencies dependencies_;
  Logins logins_;
  RateLimit by_user_;
  Json components_;
  Json document_;
  std::vector<RestRoute> routes_;
  /// By status; the commonest is shown from the beginning on.
  std::map<int, std::uint64_t> answers_{{200, 0}};
  std::size_t pending_ = 0;
  Lifetime lifetime_;
};

/// The answer's bytes.
HttpResponse ToHttp(const RestAnswer& answer);

}  // namespace slicelet::provider
