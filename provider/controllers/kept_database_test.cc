#include "provider/controllers/kept_database.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/testing/temporary_directory.h"
#include "provider/controllers/gateway_profile.h"
#include "provider/controllers/testing/controllers_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class KeptGatewayTest : public ControllersTest {
 protected:
  Json Gateway(const std::string& name = "press") { return Get(kube::kIotGateways, "north", name); }
  void Change(const Json& spec) { Patch(kube::kIotGateways, "north", "press", {{"spec", spec}}); }
  /// A gateway that is Ready.
  void Begin(const Json& more = Json::object()) {
    MakeSlice();
    Advance(seconds(10));
    Json spec = {{"dataPath", "/srv/gateways"}};
    spec.merge_patch(more);
    MakeGateway(spec);
    Advance();
    ASSERT_EQ(Gateway()["status"]["phase"], "Ready") << Condition(Gateway());
  }
  Json Pod() { return Pods("north").empty() ? Json() : Pods("north").front(); }
  /// The directories of the host that a pod has.
  static std::vector<std::string> HostPaths(const Json& pod) {
    std::vector<std::string> paths;
    for (const Json& volume : pod["spec"]["volumes"]) {
      const std::string path = kube::TextAt(volume, {"hostPath", "path"});
      if (!path.empty()) paths.push_back(path);
    }
    return paths;
  }
};

TEST_F(KeptGatewayTest, WhateverBecomesOfItsPodTheDataIsTheSame) {
  Begin();
  const std::string path = Gateway()["status"]["data"];
  EXPECT_EQ(path, DataPathOf(Gateway()));
  EXPECT_THAT(HostPaths(Pod()), ElementsAre(path + "/database"));
  Change({{"suspended", true}});
  Advance();
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_EQ(Gateway()["status"]["data"], path);
  Change({{"suspended", false}});
  Advance();
  EXPECT_THAT(HostPaths(Pod()), ElementsAre(path + "/database"));
  Change({{"profile", "edgex-4.0-full"}, {"deviceService", "rest"}});
  Advance();
  EXPECT_THAT(HostPaths(Pod()), ElementsAre(path + "/database"));
  Change({{"target", {{"host", "gw-2"}}}});
  Advance();
  EXPECT_EQ(Pod()["spec"]["nodeName"], "gw-2");
  EXPECT_THAT(HostPaths(Pod()), ElementsAre(path + "/database")) << "of another host";
}

TEST_F(KeptGatewayTest, NoTwoPodsHaveItAtOnce) {
  Begin();
  const Json before = Pod();
  hosts_away_ = true;
  Change({{"deviceService", "rest"}});
  Advance(minutes(10));
  ASSERT_THAT(Pods("north"), SizeIs(1)) << "the former pod has not ended";
  EXPECT_EQ(kube::UidOf(Pod()), kube::UidOf(before));
  hosts_away_ = false;
  Advance();
  EXPECT_NE(kube::UidOf(Pod()), kube::UidOf(before));
}

TEST_F(KeptGatewayTest, IsNotHandedOver) {
  Begin({{"dataPath", nullptr}, {"update", {{"strategy", "hand-over"}}}});
  const Json before = Pod();
  Change({{"dataPath", "/srv/gateways"}});
  Advance();
  EXPECT_EQ(Condition(Gateway()),
            "False HandOverRefused: spec.update.strategy: two revisions can not run side by side, because "
            "what lies below spec.dataPath, " +
                DataPathOf(Gateway()) + " of the host, is for one of them: use stop-first, or do without it");
  EXPECT_EQ(Pod(), before) << "nothing is changed";
  Change({{"update", {{"strategy", "stop-first"}}}});
  Advance();
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready");
  EXPECT_THAT(HostPaths(Pod()), SizeIs(1));
  // Without it one revision alone writes there.
  Change({{"dataPath", nullptr}, {"update", {{"strategy", "hand-over"}}}});
  Advance();
  EXPECT_EQ(Gateway()["status"]["phase"], "Ready") << Condition(Gateway());
  EXPECT_THAT(HostPaths(Pod()), IsEmpty());
  EXPECT_FALSE(Gateway()["status"].contains("data"));
}

TEST_F(KeptGatewayTest, AnImageThatCanNotReadTheDataGivesWayToTheOneThatCould) {
  Begin({{"update", {{"rollbackAfter", "10m"}}}});
  const auto paths = HostPaths(Pod());
  broken_images_ = {"postgres:19"};
  Change({{"images", {{"postgres", "postgres:19"}}}});
  Advance(minutes(15));
  EXPECT_EQ(Gateway()["status"]["update"]["state"], "RolledBack") << Condition(Gateway());
  ASSERT_THAT(Pods("north"), SizeIs(1));
  EXPECT_EQ(Pod()["spec"]["initContainers"][1]["image"], "postgres:18.1-alpine3.22");
  EXPECT_EQ(HostPaths(Pod()), paths);
}

TEST_F(KeptGatewayTest, OtherImagesChangeInPlace) {
  Begin();
  const std::string uid = kube::UidOf(Pod());
  Change({{"images", {{"core-data", "own/core-data:1"}}}});
  Advance();
  EXPECT_EQ(kube::UidOf(Pod()), uid);
  Change({{"images", {{"postgres", "own/postgres:1"}}}});
  Advance();
  EXPECT_NE(kube::UidOf(Pod()), uid);
}

TEST_F(KeptGatewayTest, TwoOnOneHostShareNothing) {
  Begin();
  MakeGateway({{"dataPath", "/srv/gateways"}}, "lathe");
  Advance();
  std::set<std::string> paths;
  for (const Json& pod : Pods("north")) {
    for (const std::string& path : HostPaths(pod)) paths.insert(path);
  }
  EXPECT_THAT(paths, SizeIs(2));
  const std::string former = DataPathOf(Gateway());
  Delete(kube::kIotGateways, "north", "press");
  Advance();
  MakeGateway({{"dataPath", "/srv/gateways"}});
  Advance();
  EXPECT_NE(Gateway()["status"]["data"], former) << "another gateway of that name";
}

TEST_F(KeptGatewayTest, EachHostOfAFleetHasItsOwn) {
  MakeSlice();
  CreateWith(kube::kNodes, "", "fleet", {{"metadata", {{"labels", {{kHubLabel, "plant-7"}}}}}});
  Advance(seconds(10));
  MakeGateway({{"dataPath", "/srv/gateways"}, {"target", {{"host", nullptr}, {"node", "fleet"}}}});
  Advance();
  EXPECT_EQ(Pod()["spec"]["nodeName"], "fleet");
  EXPECT_THAT(HostPaths(Pod()), ElementsAre(DataPathOf(Gateway()) + "/database"));
}

/// Runs the script of "begin-database" on a directory of this machine, with an `initdb` and a `postgres` that
/// write down what they are told.
class BeginDatabaseTest : public testing::Test {
 protected:
  BeginDatabaseTest() {
    std::filesystem::create_directories(At("bin"));
    std::filesystem::create_directories(At("data"));
    Program("initdb", "echo begun >>" + At("initdb.log") + "\nmkdir -p \"$2\"\ntouch \"$2/pg_hba.conf\"\n");
    Program("postgres", "cat >>" + At("told") + "\n");
  }

  [[nodiscard]] std::string At(const std::string& name) const { return directory_.path() + "/" + name; }
  [[nodiscard]] std::string Data(const std::string& name = "") const { return At("data/data" + name); }
  void Program(const std::string& name, const std::string& script) {
    std::ofstream(At("bin/" + name)) << "#!/bin/sh\nset -eu\n" << script;
    std::filesystem::permissions(At("bin/" + name), std::filesystem::perms(0755));
  }
  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Its exit status.
  int Run(const std::string& password = "pw") {
    const KeptDatabase database{.image = "postgres:1",
                                .databases = {"edgex_db", "more"},
                                .password = {{"name", "DATABASE_PASSWORD"}},
                                .quoted = true};
    std::string script = BeginDatabase(database)["command"][2];
    const std::string there = "/var/lib/postgresql";
    for (auto at = script.find(there); at != std::string::npos; at = script.find(there, at))
      script.replace(at, there.size(), At("data"));
    std::ofstream(At("script")) << script;
    setenv("DATABASE_PASSWORD", password.c_str(), 1);
    const std::string command =
        "PATH=" + At("bin") + ":$PATH timeout 120 sh " + At("script") + " 2>" + At("errors");
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the shell is what is tested
    unsetenv("DATABASE_PASSWORD");
    return WEXITSTATUS(status);
  }

  TemporaryDirectory directory_;
};

TEST_F(BeginDatabaseTest, BeginsOnceAndSetsThePasswordEachTime) {
  ASSERT_EQ(Run("first"), 0) << Read(At("errors"));
  EXPECT_EQ(Read(At("told")),
            "CREATE DATABASE edgex_db;\nCREATE DATABASE more;\nALTER USER postgres PASSWORD 'first';\n");
  EXPECT_THAT(Read(Data("/pg_hba.conf")), HasSubstr("host all all all scram-sha-256"));
  ASSERT_EQ(Run("second"), 0) << Read(At("errors"));
  EXPECT_THAT(Read(At("told")), testing::EndsWith("'first';\nALTER USER postgres PASSWORD 'second';\n"));
  EXPECT_EQ(Read(At("initdb.log")), "begun\n");
}

TEST_F(BeginDatabaseTest, QuotesInAPasswordAreDoubled) {
  for (const auto& [password, told] :
       std::map<std::string, std::string>{{"plain", "plain"},
                                          {"'", "''"},
                                          {"it's '' so'", "it''s '''' so''"},
                                          {"a\\'; DROP $x `y` *", "a\\''; DROP $x `y` *"}}) {
    std::filesystem::remove(At("told"));
    ASSERT_EQ(Run(password), 0) << password << Read(At("errors"));
    EXPECT_THAT(Read(At("told")), testing::EndsWith("ALTER USER postgres PASSWORD '" + told + "';\n"));
  }
}

TEST_F(BeginDatabaseTest, WhatWasHalfBegunIsBegunAnew) {
  // It is killed when the databases are being made.
  Program("postgres", "kill -9 $PPID\n");
  EXPECT_NE(Run(), 0);
  EXPECT_TRUE(std::filesystem::exists(Data(".new")));
  EXPECT_FALSE(std::filesystem::exists(Data()));
  Program("postgres", "cat >>" + At("told") + "\n");
  ASSERT_EQ(Run(), 0) << Read(At("errors"));
  EXPECT_THAT(Read(At("told")), HasSubstr("CREATE DATABASE edgex_db;"));
  EXPECT_TRUE(std::filesystem::exists(Data()));
  EXPECT_FALSE(std::filesystem::exists(Data(".new")));
}

TEST_F(BeginDatabaseTest, WhatPostgresqlRefusesIsAFailure) {
  // An image of another version.
  ASSERT_EQ(Run(), 0);
  Program("postgres", "echo 'FATAL:  database files are incompatible with server'\n");
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(Read(At("errors")), HasSubstr("incompatible"));
  EXPECT_TRUE(std::filesystem::exists(Data())) << "nothing is lost";
  // A full disk.
  std::filesystem::remove_all(Data());
  Program("initdb", "echo 'No space left on device' >&2; exit 1\n");
  EXPECT_NE(Run(), 0);
  EXPECT_FALSE(std::filesystem::exists(Data()));
}

TEST_F(BeginDatabaseTest, OnePodAtATime) {
  Program("initdb", "timeout 60 sh " + At("script") + " 2>" + At("second") + " && exit 9\n" +
                        "mkdir -p \"$2\"; touch \"$2/pg_hba.conf\"\n");
  ASSERT_EQ(Run(), 0) << Read(At("errors"));
  EXPECT_EQ(Read(At("second")), "another pod uses this data\n");
}

TEST(KeptDatabase, KubernetesExpandsNothingInItsScripts) {
  const KeptDatabase database{.image = "a", .databases = {"b"}, .password = Json::object(), .quoted = true};
  for (const Json& container : {OwnData(database), BeginDatabase(database), RunDatabase("a")})
    EXPECT_THAT(container["command"].dump(), Not(HasSubstr("$(")));
}

}  // namespace
}  // namespace slicelet::provider
