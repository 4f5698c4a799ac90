#include <gmock/gmock.h>

#include "common/json/json.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/rest/rest_http_client.h"
#include "provider/attach/attacher.h"
#include "provider/attach/testing/memory_attach_store.h"
#include "provider/attach/testing/real_mainflux.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

/// The real client, which can be told that a request's answer never comes.
class CrashingHttp : public HttpClient {
 public:
  explicit CrashingHttp(HttpClient& real) : real_(real) {}
  void Send(const Request& request, Callback<Answer> done) override {
    const bool crash = ++calls_ == crash_at_;
    real_.Send(request, [this, crash, done = std::move(done)](absl::StatusOr<Answer> answer) {
      if (crash) {
        crashed_ = true;
      } else {
        done(std::move(answer));
      }
    });
  }
  /// The `call`th request from now on is carried out, and then the process is gone. 0: none.
  void CrashAt(int call) {
    crashed_ = false;
    crash_at_ = call == 0 ? 0 : calls_ + call;
  }
  [[nodiscard]] bool crashed() const { return crashed_; }

 private:
  HttpClient& real_;
  int calls_ = 0;
  int crash_at_ = 0;
  bool crashed_ = false;
};

class MainfluxTest : public testing::Test {
 protected:
  struct Gateway {
    Gateway(MainfluxTest& the_test, std::string the_name)
        : test(the_test), http(*the_test.http_), store(the_test.loop_), name(std::move(the_name)) {}
    void Boot(bool wanted, int crash_at = 0) {
      attacher.reset();
      api = MakeIotServer(ServerDialect::kClassic, test.loop_, http, test.mainflux_.Address(),
                          test.mainflux_.Login());
      http.CrashAt(crash_at);
      attacher = std::make_unique<Attacher>(Attacher::Dependencies{test.loop_, test.random_, *api, store},
                                            name, store.record(), [] {});
      attacher->Want(wanted);
    }
    bool Settle(AttachState state) {
      return test.RunUntil(
          [&] { return http.crashed() || (attacher->record().state == state && attacher->settled()); });
    }

    MainfluxTest& test;
    CrashingHttp http;
    MemoryAttachStore store;
    std::string name;
    std::unique_ptr<IotServer> api;
    std::unique_ptr<Attacher> attacher;
  };

  void SetUp() override { ASSERT_TRUE(mainflux_.up()); }

  bool RunUntil(const std::function<bool()>& done) { return RunLoopUntil(loop_, done); }
  HttpClient::Answer Ask(const HttpClient::Request& request) {
    std::optional<absl::StatusOr<HttpClient::Answer>> answer;
    http_->Send(request, [&](absl::StatusOr<HttpClient::Answer> got) { answer = std::move(got); });
    EXPECT_TRUE(RunUntil([&] { return answer.has_value(); }));
    EXPECT_TRUE(answer->ok()) << answer->status();
    return answer->value_or(HttpClient::Answer{});
  }
  /// How many things, or channels, the server holds. Its parts wait a second for each other: on a busy
  /// machine it may refuse, and is asked again.
  std::int64_t Count(const std::string& kind) {
    std::int64_t total = -1;
    EXPECT_TRUE(RunUntil([&] { return (total = CountOnce(kind)) >= 0; }));
    return total;
  }
  std::int64_t CountOnce(const std::string& kind) {
    const auto login = mainflux_.Login();
    const auto token = Ask({.method = "POST",
                            .url = mainflux_.Address().users + "/tokens",
                            .body = DumpJson({{"email", login.user}, {"password", login.password}})});
    const auto list =
        Ask({.method = "GET",
             .url = mainflux_.Address().things + "/" + kind + "?limit=1",
             .body = "",
             .headers = {{"Authorization", GetString(ParseJson(token.body).value_or(Json()), "/token")}}});
    return GetInt(ParseJson(list.body).value_or(Json()), "/total", -1);
  }
  void ExpectAttached(int gateways) {
    EXPECT_EQ(Count("things"), gateways);
    EXPECT_EQ(Count("channels"), gateways);
  }

  RealMainflux mainflux_{SLICELET_ROOT};
  AsioLoop loop_;
  SeededRandom random_{3};
  std::unique_ptr<HttpClient> http_ = MakeRestHttpClient(loop_);
};

TEST_F(MainfluxTest, TheServerHoldsAsManyThingsAndChannelsAsGatewaysAreAttached) {
  Gateway first(*this, "slicelet-gw-host-1-0af3");
  first.Boot(true);
  ASSERT_TRUE(first.Settle(AttachState::kAttached));
  ExpectAttached(1);

  // A second one, whose process is gone after every single request in turn.
  Gateway second(*this, "slicelet-gw-host-2-0af3");
  bool struck = true;
  for (int call = 1; struck; ++call) {
    second.Boot(true, call);
    ASSERT_TRUE(second.Settle(AttachState::kAttached));
    struck = second.http.crashed();
    second.Boot(true);
    ASSERT_TRUE(second.Settle(AttachState::kAttached));
    ExpectAttached(2);
    second.Boot(false, call);
    ASSERT_TRUE(second.Settle(AttachState::kDetached));
    struck = struck || second.http.crashed();
    second.Boot(false);
    ASSERT_TRUE(second.Settle(AttachState::kDetached));
    ExpectAttached(1);
    if (HasFailure()) FAIL() << "call " << call;
  }

  // Its key is taken, and another's is not.
  const AttachRecord& record = first.store.record();
  const auto verify = [&](const std::string& key) {
    std::optional<absl::Status> verified;
    EXPECT_TRUE(RunUntil([&] {
      verified.reset();
      first.api->Verify(record.identity, record.channel, key,
                        [&](const absl::Status& status) { verified = status; });
      return RunUntil([&] { return verified.has_value(); }) && !absl::IsUnavailable(*verified);
    }));
    return verified->code();
  };
  EXPECT_EQ(verify(record.key), absl::StatusCode::kOk);
  EXPECT_EQ(verify("00000000-0000-4000-8000-000000000000"), absl::StatusCode::kPermissionDenied);
  first.attacher->Want(false);
  ASSERT_TRUE(first.Settle(AttachState::kDetached));
  ExpectAttached(0);
}

TEST_F(MainfluxTest, ItsAuthOutageAndItsRefusalAreToldApart) {
  Gateway gateway(*this, "slicelet-gw-host-1-0af3");
  auto login = mainflux_.Login();
  login.password += "-wrong";
  const auto refused = MakeIotServer(ServerDialect::kClassic, loop_, *http_, mainflux_.Address(), login);
  const auto code_of = [&](IotServer& server) {
    std::optional<absl::Status> status;
    server.DeleteChannel("00000000-0000-4000-8000-000000000000",
                         [&](absl::Status got) { status = std::move(got); });
    EXPECT_TRUE(RunUntil([&] { return status.has_value(); }));
    return status->code();
  };
  // Its parts wait a second for each other, which a busy machine may make too short.
  const auto code_in_the_end = [&](IotServer& server) {
    auto code = absl::StatusCode::kUnavailable;
    EXPECT_TRUE(RunUntil([&] { return (code = code_of(server)) != absl::StatusCode::kUnavailable; }));
    return code;
  };
  EXPECT_EQ(code_in_the_end(*refused), absl::StatusCode::kUnauthenticated);

  const auto right =
      MakeIotServer(ServerDialect::kClassic, loop_, *http_, mainflux_.Address(), mainflux_.Login());
  EXPECT_EQ(code_in_the_end(*right), absl::StatusCode::kOk);
  mainflux_.Kill("auth");
  // With a token that is good, and with a login that is.
  EXPECT_EQ(code_of(*right), absl::StatusCode::kUnavailable);
  gateway.Boot(true);
  ASSERT_TRUE(RunUntil([&] { return !gateway.attacher->record().reason.empty(); }));
  EXPECT_EQ(gateway.attacher->record().reason, "ServerUnreachable");
  EXPECT_THAT(gateway.attacher->record().message, HasSubstr("auth"));
}

}  // namespace
}  // namespace slicelet::provider
