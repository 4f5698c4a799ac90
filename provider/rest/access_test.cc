#include "provider/rest/testing/rest_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(PasswordHash, IsOfOnePassword) {
  SeededRandom random(1);
  const auto hash = HashPassword("right", random, {.log_n = 4});
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_THAT(*hash, testing::StartsWith("$scrypt$ln=4,r=8,p=1$"));
  EXPECT_TRUE(IsPassword("right", *hash));
  EXPECT_FALSE(IsPassword("wrong", *hash));
  EXPECT_FALSE(IsPassword("", *hash));
  EXPECT_NE(*hash, *HashPassword("right", random, {.log_n = 4})) << "each has a salt of its own";
}

TEST(PasswordHash, ThatCannotBeReadIsNobodys) {
  for (const char* bad :
       {"", "plain", "$scrypt$", "$scrypt$ln=4,r=8,p=1$", "$scrypt$ln=4,r=8,p=1$00$11",
        "$scrypt$ln=40,r=8,p=1$00$0000000000000000000000000000000000000000000000000000000000000000",
        "$scrypt$ln=4,r=0,p=1$00$0000000000000000000000000000000000000000000000000000000000000000",
        "$2y$10$abcdefghijklmnopqrstuv"}) {
    EXPECT_FALSE(CheckPasswordHash(bad).ok()) << bad;
    EXPECT_FALSE(IsPassword("", bad)) << bad;
  }
}

TEST(ParseUsers, NamesTheLineAndNeverTheHash) {
  SeededRandom random(1);
  const std::string hash = *HashPassword("x", random, {.log_n = 4});
  EXPECT_EQ(ParseUsers("# people\n\nann:viewer:" + hash + "\r\n")->at("ann").role, Role::kViewer);
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"ann", "line 1: is not NAME:ROLE:HASH"},
      {"ann:" + hash, "line 1: is not NAME:ROLE:HASH"},
      {":viewer:" + hash, "line 1: the name must be"},
      {"a b:viewer:" + hash, "line 1: the name must be"},
      {std::string(65, 'a') + ":viewer:" + hash, "line 1: the name must be"},
      {"ann:root:" + hash, "line 1: the role of ann is not viewer or operator"},
      {"#\nann:viewer:hunter2", "line 2: the password's hash cannot be read"},
      {"ann:viewer:" + hash + "\nann:viewer:" + hash, "line 2: user ann is there twice"}};
  for (const auto& [text, why] : bad) {
    const std::string message = Message(ParseUsers(text).status());
    EXPECT_THAT(message, HasSubstr(why));
    EXPECT_THAT(message, testing::Not(HasSubstr("hunter2")));
    EXPECT_THAT(message, testing::Not(HasSubstr("$scrypt$ln")));
  }
}

TEST(RateLimit, GrantsABurstAndThenARate) {
  RateLimit limit({.per_second = 2, .burst = 3});
  MonotonicTime now{seconds(100)};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take("a", now), Duration::zero());
  EXPECT_EQ(limit.Take("a", now), std::chrono::milliseconds(500));
  EXPECT_EQ(limit.Take("b", now), Duration::zero());
  EXPECT_EQ(limit.Take("a", now + std::chrono::milliseconds(500)), Duration::zero());
  limit.GiveBack("a");
  EXPECT_EQ(limit.Take("a", now + std::chrono::milliseconds(500)), Duration::zero());
}

TEST(RateLimit, ManyNamesGainNothing) {
  RateLimit limit({.per_second = 0.001, .burst = 1});
  const MonotonicTime now{seconds(100)};
  for (std::size_t i = 0; i < RateLimit::kMaxKeys; ++i) limit.Take(std::to_string(i), now);
  EXPECT_EQ(limit.Take("new", now), Duration::zero());
  EXPECT_GT(limit.Take("newer", now), Duration::zero());
}

TEST(AddressKey, IsThePrefixOfAnIpv6Client) {
  EXPECT_EQ(AddressKey("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(AddressKey("2001:db8:1:2::1"), AddressKey("2001:db8:1:2:ffff::9"));
  EXPECT_NE(AddressKey("2001:db8:1:2::1"), AddressKey("2001:db8:1:3::1"));
}

TEST(SessionsTest, EndWithTimeAndAreBounded) {
  SeededRandom random(1);
  Sessions sessions(random, seconds(60));
  const RestUser ann{.name = "ann"}, ben{.name = "ben"};
  MonotonicTime now{seconds(100)};
  const std::string first = sessions.Open(ann, now), other = sessions.Open(ben, now);
  EXPECT_EQ(first.size(), 64U);
  EXPECT_NE(sessions.Find(first, now + seconds(59)), nullptr);
  EXPECT_EQ(sessions.Find(first, now + seconds(60)), nullptr);
  std::string last;
  for (std::size_t i = 0; i < Sessions::kMaxOfOneUser + 1; ++i) last = sessions.Open(ann, now);
  EXPECT_EQ(sessions.size(), Sessions::kMaxOfOneUser + 1) << "ann's newest, and ben's";
  EXPECT_NE(sessions.Find(last, now), nullptr);
  EXPECT_NE(sessions.Find(other, now), nullptr);
  EXPECT_EQ(sessions.Find("", now), nullptr);
}

TEST_F(RestTest, WithoutATokenThereIsNothingButTheLogin) {
  EXPECT_EQ(Ask("GET", "/healthz", "").status, 200);
  for (const char* path : {"/", "/v1/hosts", "/v1/hosts/gw-1", "/v1/nothing", "/openapi.json", "/v1/login",
                           "/compat/v3/api/chartrepo"}) {
    for (const std::string token : {"", "wrong"}) {
      const Answer answer = Ask("GET", path, token);
      EXPECT_EQ(answer.status, 401) << path;
      EXPECT_EQ(answer.headers.at("WWW-Authenticate"), "Bearer");
      EXPECT_EQ(answer.body["reason"], "Unauthenticated");
      EXPECT_THAT(answer.text, testing::Not(HasSubstr("gw-1")));
    }
  }
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1", "").status, 401);
  EXPECT_NE(Stored(kube::kEdgeHosts, "slicelet", "gw-1"), Json());
}

TEST_F(RestTest, ALoginGivesAToken) {
  const Answer answer = Login("vera", kVerasPassword);
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body["role"], "viewer");
  EXPECT_EQ(answer.body["expiresInSeconds"], 30 * 86'400);
  EXPECT_EQ(answer.headers.at("Cache-Control"), "no-store");
  const std::string token = answer.body["token"].get<std::string>();
  EXPECT_EQ(Ask("GET", "/v1/hosts", token).status, 200);
  loop_.Advance(std::chrono::days(31));
  EXPECT_EQ(Ask("GET", "/v1/hosts", token).status, 401);
}

TEST_F(RestTest, ALogoutEndsTheToken) {
  EXPECT_EQ(Ask("POST", "/v1/logout", Viewer()).status, 204);
  EXPECT_EQ(Ask("GET", "/v1/hosts", Viewer()).status, 401);
}

TEST_F(RestTest, AWrongPasswordAndAnUnknownUserAreToldTheSame) {
  const Answer wrong = Login("vera", "guess"), unknown = Login("my-password", "guess");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.text, unknown.text);
  EXPECT_EQ(wrong.body["reason"], "WrongCredentials");
}

TEST_F(RestTest, PasswordsAndTokensAreNeverLogged) {
  Login("vera", "guess-1");
  Login("typed-into-the-wrong-field", "guess-2");
  const std::string token = Operator();
  Ask("POST", "/v1/hosts", token, {{"name", "gw-2"}, {"spec", Json::object()}});
  Ask("GET", "/v1/nothing/" + token.substr(0, 8), token);
  EXPECT_TRUE(Logged("admin login refused user=vera"));
  EXPECT_TRUE(Logged("admin login user=otto"));
  for (const char* secret :
       {kOttosPassword, kVerasPassword, "guess-1", "guess-2", "typed-into-the-wrong-field", "$scrypt"}) {
    EXPECT_FALSE(Logged(secret)) << secret;
  }
  EXPECT_FALSE(Logged(token));
}

TEST_F(RestTest, GuessingIsSlowedDownByAddressAndByUser) {
  int status = 0, tries = 0;
  while ((status = Login("user-" + std::to_string(tries), "guess").status) == 401) ++tries;
  EXPECT_EQ(status, 429);
  EXPECT_EQ(tries, 10);
  const Answer blocked = Login("vera", kVerasPassword);
  EXPECT_EQ(blocked.status, 429) << "the address is";
  EXPECT_EQ(blocked.headers.at("Retry-After"), "10");
  address_ = "192.0.2.2";
  EXPECT_EQ(Login("vera", kVerasPassword).status, 200) << "another address is not";
  for (int i = 0; i < 10; ++i) {
    address_ = "192.0.2." + std::to_string(10 + i);
    EXPECT_EQ(Login("otto", "guess").status, 401);
  }
  address_ = "192.0.2.99";
  EXPECT_EQ(Login("otto", kOttosPassword).status, 429) << "the user is, from wherever";
  loop_.Advance(seconds(10));
  EXPECT_EQ(Login("otto", kOttosPassword).status, 200);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(Login("vera", kVerasPassword).status, 200) << "those that succeed do not count";
}

TEST_F(RestTest, TooManyLoginsAtOnceWait) {
  passwords_.full = true;
  for (int i = 0; i < 30; ++i) EXPECT_EQ(Login("vera", kVerasPassword).headers.at("Retry-After"), "1");
  passwords_.full = false;
  EXPECT_EQ(Login("vera", kVerasPassword).status, 200) << "they do not count as failed";
}

TEST_F(RestTest, AChangeOfTheUsersFileEndsTokens) {
  const std::string vera = Viewer(), otto = Operator();
  WriteUsers("vera:viewer:" + Hash("another") + "\notto:viewer:" + Hash(kOttosPassword) + "\n");
  EXPECT_EQ(Ask("GET", "/v1/hosts", vera).status, 200) << "the file is read again after a while";
  loop_.Advance(UsersFile::kReadAgain);
  EXPECT_EQ(Ask("GET", "/v1/hosts", vera).status, 401);
  EXPECT_EQ(Ask("GET", "/v1/hosts", otto).status, 200);
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1", otto).status, 403);
  WriteUsers("no users file");
  loop_.Advance(UsersFile::kReadAgain);
  EXPECT_EQ(Ask("GET", "/v1/hosts", otto).status, 200) << "a broken file changes nothing";
  EXPECT_TRUE(Logged("the users of before are kept"));
  WriteUsers("");
  loop_.Advance(UsersFile::kReadAgain);
  EXPECT_EQ(Ask("GET", "/v1/hosts", otto).status, 401);
}

TEST_F(RestTest, AViewerMayOnlyLook) {
  for (const RestRoute& route : rest_->routes()) {
    if (route.access == Access::kEverybody || route.id == "logout") continue;
    EXPECT_EQ(route.access == Access::kViewer, route.method == "GET") << route.id;
  }
  EXPECT_EQ(Ask("GET", "/v1/hosts", Viewer()).status, 200);
  const Answer answer = Ask("DELETE", "/v1/hosts/none", Viewer());
  EXPECT_EQ(answer.status, 403) << "what there is and is not is not told";
  EXPECT_EQ(answer.body["reason"], "NotAnOperator");
  EXPECT_TRUE(
      Logged("admin write user=vera method=DELETE path=/v1/hosts/none status=403 reason=NotAnOperator"));
}

TEST_F(RestTest, EveryWriteIsWrittenDown) {
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1", Operator()).status, 202);
  EXPECT_TRUE(Logged(
      "admin write user=otto method=DELETE path=/v1/hosts/gw-1 status=202 reason=- address=192.0.2.1"));
  EXPECT_EQ(Ask("DELETE", "/v1/hosts/gw-1", Operator()).status, 404);
  EXPECT_TRUE(Logged("path=/v1/hosts/gw-1 status=404 reason=NotFound"));
  EXPECT_EQ(Ask("PATCH", "/v1/hosts/gw-1", Operator(), Json::object()).status, 400);
  EXPECT_TRUE(Logged("method=PATCH path=/v1/hosts/gw-1 status=400 reason=BadRequest"));
}

TEST_F(RestTest, AUserHasALimit) {
  const std::string token = Viewer();
  int granted = 0;
  Answer answer;
  while ((answer = Ask("GET", "/v1/hosts", token)).status == 200) ++granted;
  EXPECT_EQ(granted, 40);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.at("Retry-After"), "1");
  EXPECT_EQ(Ask("GET", "/v1/hosts", Operator()).status, 200);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Ask("GET", "/v1/hosts", token).status, 200);
}

TEST_F(RestTest, WhatWaitsForKubernetesIsBounded) {
  const std::string token = Operator();
  server_.faults().latency = [] { return seconds(30); };
  int answered = 0;
  std::vector<HttpResponse> answers;
  HttpRequest request;
  request.method = "GET";
  request.target = *ParseTarget("/v1/hosts");
  request.headers.emplace_back("authorization", "Bearer " + token);
  for (std::size_t i = 0; i < AdminRest::kMaxPending + 1; ++i) {
    rest_->Handle(request, [&](const HttpResponse& answer) { answers.push_back(answer); });
    loop_.Advance(std::chrono::milliseconds(100));
    answered += answers.empty() ? 0 : 1;
  }
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].status, 429);
  EXPECT_EQ(answered, 1);
  loop_.Advance(seconds(60));
  EXPECT_EQ(answers.size(), AdminRest::kMaxPending + 1);
  EXPECT_EQ(answers.back().status, 200);
}

TEST_F(RestTest, AnswersThatComeTooLateAreDropped) {
  const std::string token = Viewer();
  server_.faults().latency = [] { return seconds(1); };
  HttpRequest request;
  request.method = "GET";
  request.target = *ParseTarget("/v1/gateways");
  request.headers.emplace_back("authorization", "Bearer " + token);
  bool answered = false;
  rest_->Handle(request, [&](const HttpResponse&) { answered = true; });
  rest_.reset();
  loop_.Advance(seconds(60));
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace slicelet::provider
