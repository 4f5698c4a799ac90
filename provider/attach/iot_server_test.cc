#include "provider/attach/iot_server.h"

#include <gmock/gmock.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "common/loop/testing/sim_loop.h"
#include "provider/attach/testing/fake_iot_server.h"

namespace slicelet::provider {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

/// Answers in turn, and remembers what it was asked.
class ScriptedHttp : public HttpClient {
 public:
  explicit ScriptedHttp(Loop& loop) : loop_(loop) {}
  void Send(const Request& request, Callback<Answer> done) override {
    std::string line = request.method + " " + request.url;
    for (const auto& [name, value] : request.headers) {
      line.append(" [").append(name).append(": ").append(value).append("]");
    }
    if (!request.body.empty()) line += " " + request.body;
    asked.push_back(line);
    Answer answer{.status = 500};
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    loop_.Post([answer, done = std::move(done)] { done(answer); });
  }

  std::deque<Answer> answers;
  std::vector<std::string> asked;

 private:
  Loop& loop_;
};

class MagistralaTest : public testing::Test {
 protected:
  template <typename T, typename Call>
  T Ask(Call call) {
    std::optional<T> result;
    call([&result](T answer) { result = std::move(answer); });
    loop_.RunReady();
    EXPECT_TRUE(result.has_value());
    return *std::move(result);
  }

  std::unique_ptr<IotServer> MakeServer() {
    return MakeIotServer(
        ServerDialect::kMagistrala, loop_, http_,
        {.users = "http://m/u", .things = "http://m", .auth = "", .access = "", .domain = "d-1"},
        {"me", "pw"});
  }

  SimLoop loop_;
  ScriptedHttp http_{loop_};
  std::unique_ptr<IotServer> server_ = MakeServer();
  const HttpClient::Answer token_{.status = 201, .location = "", .body = R"({"access_token":"T"})"};
};

TEST_F(MagistralaTest, PathsBodiesAndTopicAreThoseOfDomains) {
  http_.answers = {token_,
                   {.status = 200,
                    .location = "",
                    .body = R"({"clients":[{"id":"c1","name":"n"},{"id":"c2","name":"nn"}]})"},
                   {.status = 201, .location = "", .body = R"({"id":"c3","name":"n"})"},
                   {.status = 201, .location = "/d-1/channels/h1", .body = ""},
                   {.status = 201},
                   {.status = 200, .location = "", .body = R"({"id":"c3","credentials":{"secret":"S"}})"},
                   {.status = 204},
                   {.status = 204},
                   {.status = 404}};
  using Ids = absl::StatusOr<std::vector<std::string>>;
  using Text = absl::StatusOr<std::string>;
  EXPECT_THAT(*Ask<Ids>([&](auto done) { server_->FindIdentities("n", done); }), ElementsAre("c1"));
  EXPECT_EQ(*Ask<Text>([&](auto done) { server_->CreateIdentity("n", done); }), "c3");
  EXPECT_EQ(*Ask<Text>([&](auto done) { server_->CreateChannel("n", done); }), "h1");
  EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->Connect("c3", "h1", done); }).ok());
  EXPECT_EQ(*Ask<Text>([&](auto done) { server_->FetchSecret("c3", done); }), "S");
  EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->Disconnect("c3", "h1", done); }).ok());
  EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->DeleteChannel("h1", done); }).ok());
  EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->DeleteIdentity("c3", done); }).ok());
  EXPECT_THAT(
      http_.asked,
      ElementsAre(
          R"(POST http://m/u/users/tokens/issue {"identity":"me","password":"pw","secret":"pw","username":"me"})",
          "GET http://m/d-1/clients?name=n&limit=100 [Authorization: Bearer T]",
          R"(POST http://m/d-1/clients [Authorization: Bearer T] {"name":"n"})",
          R"(POST http://m/d-1/channels [Authorization: Bearer T] {"name":"n"})",
          R"(POST http://m/d-1/channels/connect [Authorization: Bearer T] )"
          R"({"channel_ids":["h1"],"client_ids":["c3"],"types":["publish","subscribe"]})",
          "GET http://m/d-1/clients/c3 [Authorization: Bearer T]",
          R"(POST http://m/d-1/channels/disconnect [Authorization: Bearer T] )"
          R"({"channel_ids":["h1"],"client_ids":["c3"],"types":["publish","subscribe"]})",
          "DELETE http://m/d-1/channels/h1 [Authorization: Bearer T]",
          "DELETE http://m/d-1/clients/c3 [Authorization: Bearer T]"));
  EXPECT_EQ(server_->TopicFor("h1"), "m/d-1/c/h1");
}

TEST_F(MagistralaTest, WhatIsNotTheServersOwnAnswerSaysNothing) {
  using Ids = absl::StatusOr<std::vector<std::string>>;
  using Text = absl::StatusOr<std::string>;
  const auto find = [&] { return Ask<Ids>([&](auto done) { server_->FindIdentities("n", done); }).status(); };
  http_.answers = {token_};
  EXPECT_FALSE(find().ok());
  for (const char* body : {"<html>We are back soon</html>", "", "[]", "null", "{}", R"({"clients":null})"}) {
    http_.answers.assign(1, {.status = 200, .location = "", .body = body});
    EXPECT_EQ(find().code(), absl::StatusCode::kUnavailable) << body;
  }
  http_.answers.assign(1, {.status = 200, .location = "", .body = R"({"clients":[]})"});
  EXPECT_TRUE(find().ok());
  const HttpClient::Answer page{.status = 200, .location = "http://m/sorry", .body = "<html>"};
  const auto expect_nothing_said = [&](const auto& call) {
    http_.answers.assign(1, page);
    EXPECT_EQ(Ask<absl::Status>(call).code(), absl::StatusCode::kUnavailable);
  };
  expect_nothing_said([&](auto done) { server_->Connect("c3", "h1", done); });
  expect_nothing_said([&](auto done) { server_->Disconnect("c3", "h1", done); });
  expect_nothing_said([&](auto done) { server_->DeleteIdentity("c3", done); });
  expect_nothing_said([&](auto done) { server_->DeleteChannel("h1", done); });
  for (const HttpClient::Answer& answer : {page, HttpClient::Answer{.status = 200}}) {
    http_.answers.assign(1, answer);
    EXPECT_EQ(Ask<Text>([&](auto done) { server_->CreateIdentity("n", done); }).status().code(),
              absl::StatusCode::kUnavailable);
    http_.answers.assign(1, answer);
    EXPECT_EQ(Ask<Text>([&](auto done) { server_->FetchSecret("c3", done); }).status().code(),
              absl::StatusCode::kUnavailable);
  }
  // Nor that it takes or refuses a login.
  server_ = MakeServer();
  http_.answers.assign(1, page);
  EXPECT_EQ(find().code(), absl::StatusCode::kUnavailable);
}

TEST_F(MagistralaTest, WhatNoServerCallsItsObjectsIsNotTaken) {
  using Ids = absl::StatusOr<std::vector<std::string>>;
  using Text = absl::StatusOr<std::string>;
  http_.answers = {token_, {.status = 200, .location = "", .body = R"({"clients":[]})"}};
  EXPECT_TRUE(Ask<Ids>([&](auto done) { server_->FindIdentities("n", done); }).ok());
  const auto expect_taken = [&](const std::string& id, bool taken) {
    const Json object = {{"id", id}, {"name", "n"}};
    http_.answers = {{.status = 200, .location = "", .body = DumpJson({{"clients", Json::array({object})}})},
                     {.status = 201, .location = "", .body = DumpJson(object)},
                     {.status = 201, .location = "/d-1/clients/" + id, .body = ""}};
    const auto found = Ask<Ids>([&](auto done) { server_->FindIdentities("n", done); });
    EXPECT_EQ(found.ok() ? absl::StatusCode::kOk : found.status().code(),
              taken ? absl::StatusCode::kOk : absl::StatusCode::kInternal)
        << id;
    for (int i = 0; i < 2; ++i) {
      const auto made = Ask<Text>([&](auto done) { server_->CreateIdentity("n", done); });
      EXPECT_EQ(made.ok() && *made == id, taken) << id;
    }
  };
  expect_taken("1f18afa1-29c4-4634-99d1-68dfa1b74e6a", true);
  expect_taken("01ARZ3NDEKTSV4RRFFQ69G5FAV", true);
  expect_taken(std::string(128, 'x'), true);
  for (const std::string& id : {std::string(129, 'x'), std::string(".."), std::string("a b"),
                                std::string("a+"), std::string("#"), std::string("\xc3\xa9")}) {
    expect_taken(id, false);
  }
}

TEST_F(MagistralaTest, AKeyThatChangedIsRefused) {
  http_.answers = {token_, {.status = 200, .location = "", .body = R"({"credentials":{"secret":"new"}})"}};
  EXPECT_EQ(Ask<absl::Status>([&](auto done) { server_->Verify("c3", "h1", "old", done); }).code(),
            absl::StatusCode::kPermissionDenied);
}

/// A refused login of a server whose auth nobody can ask.
TEST_F(MagistralaTest, ARefusalIsBelievedOnlyAfterAWhile) {
  const auto log_in = [&] {
    http_.answers.assign(1, {.status = 401});
    return Ask<absl::Status>([&](auto done) { server_->DeleteChannel("h1", done); }).code();
  };
  EXPECT_EQ(log_in(), absl::StatusCode::kUnavailable);
  loop_.Advance(IotServer::kBelief - seconds(1));
  EXPECT_EQ(log_in(), absl::StatusCode::kUnavailable);
  loop_.Advance(seconds(1));
  EXPECT_EQ(log_in(), absl::StatusCode::kUnauthenticated);
}

TEST_F(MagistralaTest, ARefusalBeforeAnOutageIsNoneAfterIt) {
  const auto log_in = [&](int status) {
    http_.answers.assign(1, {.status = status});
    return Ask<absl::Status>([&](auto done) { server_->DeleteChannel("h1", done); }).code();
  };
  EXPECT_EQ(log_in(401), absl::StatusCode::kUnavailable);
  loop_.Advance(seconds(5));
  EXPECT_EQ(log_in(503), absl::StatusCode::kUnavailable);
  loop_.Advance(IotServer::kBelief);
  EXPECT_EQ(log_in(401), absl::StatusCode::kUnavailable) << "it may have begun anew";
  loop_.Advance(IotServer::kBelief);
  EXPECT_EQ(log_in(401), absl::StatusCode::kUnauthenticated);
}

TEST_F(MagistralaTest, AUserIsRegisteredAndLookedForInItsDomain) {
  const HttpClient::Answer clients{.status = 200, .location = "", .body = R"({"clients":[]})"};
  // Made just now, and there already.
  for (const int made : {201, 409}) {
    http_.asked.clear();
    http_.answers = {{.status = made}, token_, clients};
    EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); }).ok()) << made;
    ASSERT_GE(http_.asked.size(), 2U);
    EXPECT_EQ(http_.asked.front(),
              R"(POST http://m/u/users {"credentials":{"identity":"me","secret":"pw",)"
              R"("username":"slicelet-2744ccd10c7533bd"},"email":"me","first_name":"slicelet",)"
              R"("last_name":"slicelet-2744ccd10c7533bd","name":"slicelet-2744ccd10c7533bd"})");
    EXPECT_EQ(http_.asked.back(), "GET http://m/d-1/clients?limit=1 [Authorization: Bearer T]");
    server_ = MakeServer();
  }
}

TEST_F(MagistralaTest, AUserOfNoDomainIsForItsAdministrator) {
  http_.answers = {{.status = 201}, token_, {.status = 403}};
  const auto status = Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(status), testing::HasSubstr("an administrator of the domain adds it"));
}

TEST_F(MagistralaTest, WhereNobodyRegistersTheUserMustBeThere) {
  http_.answers = {{.status = 401}, token_, {.status = 200, .location = "", .body = R"({"clients":[]})"}};
  EXPECT_TRUE(Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); }).ok());
  server_ = MakeServer();
  absl::Status status;
  for (int i = 0; i < 2; ++i) {
    http_.answers = {{.status = 403}, {.status = 401}};
    status = Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); });
    loop_.Advance(IotServer::kBelief);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(Message(status), testing::HasSubstr("lets nobody register"));
}

TEST_F(MagistralaTest, ARegistrationThatFailsIsSaid) {
  http_.answers = {{.status = 400, .location = "", .body = "password too short"}};
  EXPECT_EQ(Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); }).code(),
            absl::StatusCode::kInvalidArgument);
  http_.answers = {{.status = 503}};
  EXPECT_EQ(Ask<absl::Status>([&](auto done) { server_->EnsureUser(done); }).code(),
            absl::StatusCode::kUnavailable);
}

class ClassicTest : public testing::Test {
 protected:
  absl::Status Verify(const ServerAddress& address, const std::string& key) {
    const auto api = MakeIotServer(ServerDialect::kClassic, loop_, server_, address, FakeIotServer::Login());
    absl::Status result = absl::InternalError("no answer");
    api->Verify("t1", "c1", key, [&result](const absl::Status& status) { result = status; });
    loop_.RunReady();
    return result;
  }

  SimLoop loop_;
  FakeIotServer server_{loop_};
};

TEST_F(ClassicTest, AKeyIsGoodWhereItIsConnected) {
  server_.things()["t1"] = {"n", "k1"};
  server_.channels()["c1"] = "n";
  EXPECT_TRUE(absl::IsPermissionDenied(Verify(FakeIotServer::Address(), "k1")));
  server_.connections().insert({"c1", "t1"});
  EXPECT_TRUE(Verify(FakeIotServer::Address(), "k1").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Verify(FakeIotServer::Address(), "k2")));
}

TEST_F(ClassicTest, AKeyIsLookedAtWhereItCannotBeTried) {
  auto address = FakeIotServer::Address();
  address.access = "";
  server_.things()["t1"] = {"n", "k1"};
  server_.channels()["c1"] = "n";
  EXPECT_TRUE(absl::IsPermissionDenied(Verify(address, "k1")));
  server_.connections().insert({"c1", "t1"});
  EXPECT_TRUE(Verify(address, "k1").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Verify(address, "k2")));
}

TEST_F(ClassicTest, AnErrorWhileAGoodKeyIsTriedIsNoRefusal) {
  server_.things()["t1"] = {"n", "k1"};
  server_.channels()["c1"] = "n";
  server_.connections().insert({"c1", "t1"});
  server_.SetFault(1, FakeIotServer::Fault::kError);
  EXPECT_TRUE(absl::IsUnavailable(Verify(FakeIotServer::Address(), "k1")));
}

TEST_F(ClassicTest, APageForPeopleIsNoVerdictOnAKey) {
  auto address = FakeIotServer::Address();
  server_.SetMaintenance(true);
  EXPECT_TRUE(absl::IsUnavailable(Verify(address, "k1")));
  address.access = "";
  EXPECT_TRUE(absl::IsUnavailable(Verify(address, "k1")));
}

/// A login that is refused while auth's place is taken by a page.
TEST_F(ClassicTest, APageForPeopleIsNotAuth) {
  ScriptedHttp http(loop_);
  http.answers = {{.status = 403}, {.status = 200, .location = "", .body = "<html>"}};
  const auto api =
      MakeIotServer(ServerDialect::kClassic, loop_, http, FakeIotServer::Address(), {"me", "pw"});
  absl::Status result;
  api->DeleteChannel("h1", [&](const absl::Status& status) { result = status; });
  loop_.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(result)) << result;
}

TEST_F(ClassicTest, ANewUserIsMadeAndAnOldOneKept) {
  ScriptedHttp http(loop_);
  http.answers = {{.status = 201}, {.status = 409}, {.status = 400}};
  const auto api =
      MakeIotServer(ServerDialect::kClassic, loop_, http, FakeIotServer::Address(), {"me", "pw"});
  std::vector<absl::Status> results;
  for (int i = 0; i < 3; ++i) api->EnsureUser([&](const absl::Status& status) { results.push_back(status); });
  loop_.RunReady();
  ASSERT_EQ(results.size(), 3U);
  EXPECT_TRUE(results[0].ok());
  EXPECT_TRUE(results[1].ok());
  EXPECT_THAT(Message(results[2]), HasSubstr("400"));
  EXPECT_EQ(http.asked.front(), R"(POST http://users/users {"email":"me","password":"pw"})");
}

}  // namespace
}  // namespace slicelet::provider
