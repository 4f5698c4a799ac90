#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_clock.h"
#include "common/base/testing/temporary_directory.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/testing/test_authority.h"
#include "kube/testing/memory_kube_api.h"
#include "provider/rest/rest_server.h"

namespace slicelet::provider {
namespace {

using testing::HasSubstr;

TEST(PasswordCheckerOnAThread, AnswersOnTheLoopAndTakesNoMoreThanItsQueue) {
  AsioLoop loop;
  const auto checker = MakePasswordChecker(loop);
  SystemRandom random;
  const std::string hash = *HashPassword("right", random, {.log_n = 10});
  int right = 0, wrong = 0, taken = 0;
  const auto done = [&](bool is) { (is ? right : wrong) += 1; };
  for (std::size_t i = 0; i < 4 * kMaxWaitingPasswords; ++i) {
    taken += checker->Check(i % 2 == 0 ? "right" : "wrong", hash, done) ? 1 : 0;
  }
  EXPECT_GE(taken, static_cast<int>(kMaxWaitingPasswords));
  ASSERT_TRUE(RunLoopUntil(loop, [&] { return right + wrong == taken; }));
  EXPECT_GT(right, 0);
  EXPECT_GT(wrong, 0);
}

TEST(PasswordCheckerOnAThread, EndsWhileOthersWait) {
  AsioLoop loop;
  SystemRandom random;
  const std::string hash = *HashPassword("right", random, {.log_n = 10});
  bool answered = false;
  {
    const auto checker = MakePasswordChecker(loop);
    for (int i = 0; i < 8; ++i) checker->Check("right", hash, [&](bool) { answered = true; });
  }
  bool ran = false;
  loop.Post([&] { ran = true; });
  ASSERT_TRUE(RunLoopUntil(loop, [&] { return ran; }));
  EXPECT_FALSE(answered) << "whoever asked may be gone with the checker";
}

class RestServerTest : public testing::Test {
 protected:
  RestServerTest() {
    const auto serving = authority_.Issue("admin");
    Write("admin.crt", serving.certificate_pem);
    Write("admin.key", serving.key_pem);
    Write("users", "ann:operator:" + *HashPassword("x", random_, {.log_n = 4}) + "\n");
    options_ = {.listen = "127.0.0.1:0",
                .certificate_file = directory_.path() + "/admin.crt",
                .key_file = directory_.path() + "/admin.key",
                .users_file = directory_.path() + "/users"};
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(files_->WriteAtomically(directory_.path() + "/" + name, text, 0600).ok());
  }
  absl::StatusOr<std::unique_ptr<RestServer>> Start() {
    return RestServer::Start(
        options_,
        {.loop = loop_, .random = random_, .files = *files_, .api = *api_, .hub_id = "h", .ns = "n"});
  }
  std::string Refusal() { return Message(Start().status()); }

  AsioLoop loop_;
  FakeClock clock_{loop_};
  SystemRandom random_;
  TemporaryDirectory directory_;
  std::unique_ptr<FileSystem> files_ = MakeSystemFileSystem();
  TestAuthority authority_;
  kube::MemoryApiServer server_{loop_, clock_, random_};
  std::unique_ptr<kube::KubeApi> api_ = server_.ApiAs("provider");
  AdminRestOptions options_;
};

TEST_F(RestServerTest, ListensWhereItIsToldTo) {
  const auto first = Start();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_GT((*first)->port(), 0);
  options_.listen = "127.0.0.1:" + std::to_string((*first)->port());
  EXPECT_THAT(Refusal(), HasSubstr("adminRest.listen: "));
}

TEST_F(RestServerTest, SaysWhatItCannotStartWith) {
  Write("users", "ann:operator:plain\n");
  EXPECT_THAT(Refusal(),
              HasSubstr("adminRest.users: " + directory_.path() + "/users: line 1: the password's hash"));
  options_.users_file = directory_.path() + "/none";
  EXPECT_THAT(Refusal(), HasSubstr("adminRest.users: cannot read " + directory_.path() + "/none"));
  Write("users", "");
  options_.users_file = directory_.path() + "/users";
  options_.key_file = directory_.path() + "/users";
  EXPECT_THAT(Refusal(), HasSubstr("adminRest.listen: "));
  options_.certificate_file = directory_.path() + "/none";
  EXPECT_THAT(Refusal(), HasSubstr("cannot read " + directory_.path() + "/none"));
}

}  // namespace
}  // namespace slicelet::provider
