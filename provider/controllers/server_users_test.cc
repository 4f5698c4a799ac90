#include "provider/controllers/server_users.h"

#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

class ServerUsersTest : public AttachmentsTest {
 protected:
  Json Server(const std::string& name) { return Get(kube::kIotServers, "north", name); }
  void CreateUserAt(const std::string& name) {
    Patch(kube::kIotServers, "north", name, {{"spec", {{"createUser", true}}}});
  }
};

TEST_F(ServerUsersTest, AServerOfOthersThatLostItsDataGetsItsUserAgain) {
  MakeServer({{"profile", "external"},
              {"url", "http://iot.example.com"},
              {"target", nullptr},
              {"credentialsSecret", "login"},
              {"createUser", true}},
             "hall");
  Advance();
  EXPECT_EQ(Server("hall")["status"]["phase"], "Ready") << Condition(Server("hall"));
  const auto version = server_.cluster().version();
  mainflux_.away = true;
  Advance(ServerUsers::kLogInAgain + minutes(2));
  EXPECT_EQ(server_.cluster().version(), version) << "an outage says nothing of the user";
  mainflux_.away = false;
  const auto users = std::exchange(mainflux_.users, {});
  mainflux_.token = "another";
  Advance(ServerUsers::kLogInAgain + minutes(2));
  ASSERT_EQ(mainflux_.users, users);
  EXPECT_EQ(mainflux_.made, 2);
  EXPECT_EQ(Server("hall")["status"]["phase"], "Ready");
  // Somebody else has taken the name meanwhile.
  mainflux_.users.begin()->second = "theirs";
  mainflux_.token = "a third";
  Advance(ServerUsers::kLogInAgain + minutes(2));
  EXPECT_THAT(Condition(Server("hall")), HasSubstr("False CredentialsRejected: "));
}

TEST_F(ServerUsersTest, TheUserIsMadeOnceWhoeverIsAttached) {
  CreateUserAt("iot");
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  ExpectAttached();
  const auto asked = [this] { return std::ranges::count(iot_.requests(), "POST http://users/users"); };
  Advance(minutes(30));
  EXPECT_EQ(asked(), 1);
  // The process that comes next can not know.
  Crash();
  Advance(minutes(30));
  ExpectAttached();
  EXPECT_EQ(asked(), 2);
}

TEST_F(ServerUsersTest, AGatewayIsAttachedOnceTheUserIsMade) {
  iot_.SetPassword("another");
  CreateUserAt("iot");
  Advance();
  MakeGateway({{"attachTo", "iot"}});
  Advance(minutes(3));
  EXPECT_THAT(Attached(), HasSubstr("False ServerNotReady: "));
  ExpectNothingAtTheServer();
  EXPECT_THAT(Condition(Server("iot")), HasSubstr("False CredentialsRejected: "));
  iot_.SetPassword("12345678");
  Advance(minutes(2));
  ExpectAttached();
}

}  // namespace
}  // namespace slicelet::provider
