#include "cli/kinds/own_secret.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/kinds/commands.h"
#include "cli/kinds/dry_run.h"
#include "cli/kinds/testing/kind_commands_test.h"
#include "common/base/encoding.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kKubeconfig[] = R"(
clusters: [{name: plant, cluster: {server: "https://plant.example.com:6443", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: cluster-token}}]
contexts: [{name: plant, context: {cluster: plant, user: u}}]
current-context: plant
)";

/// Server "hall" of namespace north, and the Secret with its user.
class OwnSecretTest : public KindCommandsTest {
 protected:
  OwnSecretTest() {
    files.Put("/password", {.mode = 0600, .data = "s3cret\n"});
    files.Put("/kubeconfig", {.mode = 0600, .data = kKubeconfig});
  }
  KindOptions Hall() {
    return {.names = {"hall"},
            .ns = "north",
            .given = {{"--slice", {"north"}}, {"--profile", {"external"}}, {"--url", {"http://a"}}},
            .secret = {.user = "ann@example.com", .password_file = "/password"}};
  }
  KindOptions Renewed(const std::string& user) {
    return {.names = {"hall"}, .ns = "north", .secret = {.user = user, .password_file = "/password"}};
  }
  absl::Status Create() { return commands.Create(*FindKind("server"), Hall()); }
  absl::Status Set(const KindOptions& options) { return commands.Set(*FindKind("server"), options); }
  static std::string Value(const Json& secret, const std::string& key) {
    const auto text = Base64Decode(kube::TextAt(secret, {"data", key}));
    return text.ok() ? *text : "";
  }
  void ExpectOwned(const Json& secret, const Json& owner) {
    ASSERT_EQ(secret["metadata"]["ownerReferences"].size(), 1U);
    EXPECT_EQ(secret["metadata"]["ownerReferences"][0]["uid"], owner["metadata"]["uid"]);
    EXPECT_EQ(secret["metadata"]["labels"]["slicelet.io/server"], "hall");
  }
  /// The `at`th write fails; with `carried` it was carried out all the same.
  void FailAtWrite(int at, const absl::Status& status, bool carried) {
    writes = 0;
    const auto write = [](const kube::KubeCall& call) {
      return call.verb == kube::Verb::kCreate || call.verb == kube::Verb::kPatch;
    };
    server.faults().before = [=, this](const kube::KubeCall& call) {
      return write(call) && ++writes == at && !carried ? status : absl::OkStatus();
    };
    server.faults().after = [=, this](const kube::KubeCall& call, const absl::Status& outcome) {
      return write(call) && writes == at && carried ? status : outcome;
    };
  }

  int writes = 0;
};

TEST_F(OwnSecretTest, AServerComesWithItsUser) {
  ASSERT_TRUE(Create().ok());
  EXPECT_EQ(out, "iotserver.slicelet.io/hall created\n");
  const Json hall = Is(kube::kIotServers, "hall"), secret = Is(kube::kSecrets, "hall-user");
  EXPECT_EQ(hall["spec"]["credentialsSecret"], "hall-user");
  EXPECT_EQ(Value(secret, "email"), "ann@example.com");
  EXPECT_EQ(Value(secret, "password"), "s3cret") << "without the line's end";
  ExpectOwned(secret, hall);
  EXPECT_THAT(said, ElementsAre());
  const absl::Status again = Create();
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << "create is no overwrite";
}

TEST_F(OwnSecretTest, WhateverFailsTheSameCommandGoesOn) {
  for (const bool carried : {false, true}) {
    for (int at = 1; at <= 4; ++at) {
      SCOPED_TRACE("write " + std::to_string(at) + (carried ? ", answer lost" : ""));
      FailAtWrite(at, absl::UnavailableError("connection reset"), carried);
      EXPECT_FALSE(Create().ok());
      server.faults() = {};
      const absl::Status again = Create();
      EXPECT_TRUE(again.ok() || (at == 4 && carried && absl::IsAlreadyExists(again))) << again;
      ExpectOwned(Is(kube::kSecrets, "hall-user"), Is(kube::kIotServers, "hall"));
      EXPECT_EQ(Value(Is(kube::kSecrets, "hall-user"), "password"), "s3cret");
      for (const auto& [kind, name] : {std::pair{kube::kIotServers, "hall"}, {kube::kSecrets, "hall-user"}}) {
        ASSERT_TRUE(server.cluster().Delete("test", {kind, "north", name, ""}, {}).ok());
      }
    }
  }
}

TEST_F(OwnSecretTest, OfAServerThatIsRefusedNothingStays) {
  FailAtWrite(2, absl::FailedPreconditionError("IotServer \"hall\" is invalid: spec.url: no"), false);
  EXPECT_TRUE(absl::IsFailedPrecondition(Create()));
  EXPECT_EQ(Is(kube::kSecrets, "hall-user"), Json());
}

TEST_F(OwnSecretTest, AnExistingServerAndItsSecretAreLeftAloneByCreate) {
  ASSERT_TRUE(server.cluster()
                  .Create("test", {kube::kIotServers, "north", "hall", ""}, {{"spec", {{"url", "http://b"}}}})
                  .ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Create()));
  EXPECT_EQ(Is(kube::kSecrets, "hall-user"), Json());
}

TEST_F(OwnSecretTest, SetChangesTheUser) {
  ASSERT_TRUE(Create().ok());
  ASSERT_TRUE(Set(Renewed("ben@example.com")).ok());
  ASSERT_TRUE(Set(Renewed("ben@example.com")).ok());
  EXPECT_EQ(out,
            "iotserver.slicelet.io/hall created\niotserver.slicelet.io/hall changed\n"
            "iotserver.slicelet.io/hall unchanged\n");
  EXPECT_EQ(Value(Is(kube::kSecrets, "hall-user"), "email"), "ben@example.com");
  ASSERT_TRUE(server.cluster().Delete("test", {kube::kSecrets, "north", "hall-user", ""}, {}).ok());
  ASSERT_TRUE(Set(Renewed("ben@example.com")).ok());
  ExpectOwned(Is(kube::kSecrets, "hall-user"), Is(kube::kIotServers, "hall"));
}

TEST_F(OwnSecretTest, SetWritesIntoTheSecretThatTheServerNames) {
  ASSERT_TRUE(server.cluster()
                  .Create("test", {kube::kIotServers, "north", "hall", ""},
                          {{"spec", {{"credentialsSecret", "theirs"}}}})
                  .ok());
  const Json theirs = {{"data", {{"other", Base64Encode("kept")}}}};
  ASSERT_TRUE(server.cluster().Create("test", {kube::kSecrets, "north", "theirs", ""}, theirs).ok());
  ASSERT_TRUE(Set(Renewed("ann@example.com")).ok());
  const Json secret = Is(kube::kSecrets, "theirs");
  EXPECT_EQ(Value(secret, "email"), "ann@example.com");
  EXPECT_EQ(Value(secret, "other"), "kept");
  EXPECT_FALSE(secret["metadata"].contains("ownerReferences")) << "it does not go with the server";
  EXPECT_EQ(Is(kube::kIotServers, "hall")["spec"]["credentialsSecret"], "theirs");
}

TEST_F(OwnSecretTest, ASecretOfSomebodyElseIsLeftAlone) {
  const Json theirs = {{"data", {{"email", Base64Encode("theirs")}}}};
  ASSERT_TRUE(server.cluster().Create("test", {kube::kSecrets, "north", "hall-user", ""}, theirs).ok());
  const absl::Status status = Create();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(
      Message(status),
      "Secret \"hall-user\" in namespace \"north\" was not made for server \"hall\" and is left as it is: "
      "name another with --credentials-secret");
  EXPECT_EQ(Value(Is(kube::kSecrets, "hall-user"), "email"), "theirs");
  EXPECT_EQ(Is(kube::kIotServers, "hall"), Json());
  KindOptions options = Hall();
  options.given["--credentials-secret"] = {"mine"};
  ASSERT_TRUE(commands.Create(*FindKind("server"), options).ok());
  EXPECT_EQ(Is(kube::kIotServers, "hall")["spec"]["credentialsSecret"], "mine");
  EXPECT_EQ(Value(Is(kube::kSecrets, "mine"), "password"), "s3cret");
}

TEST_F(OwnSecretTest, ASecretOfAFormerServerIsWaitedFor) {
  const Json former = {
      {"metadata",
       {{"labels", {{"slicelet.io/server", "hall"}}},
        {"ownerReferences",
         Json::array(
             {Json({{"apiVersion", "v1"}, {"kind", "IotServer"}, {"name", "hall"}, {"uid", "old"}})})}}}};
  ASSERT_TRUE(server.cluster().Create("test", {kube::kSecrets, "north", "hall-user", ""}, former).ok());
  EXPECT_THAT(Message(Create()), HasSubstr("of a former server \"hall\" and goes with it: try again"));
}

TEST_F(OwnSecretTest, APasswordsFileIsOneLineThatIsNeverShown) {
  files.Put("/open", {.mode = 0644, .data = "hunter2"});
  KindOptions options = Hall();
  options.secret.password_file = "/open";
  ASSERT_TRUE(commands.Create(*FindKind("server"), options).ok());
  EXPECT_THAT(said, ElementsAre("note: /open can be read by others: chmod 600 /open"));
  for (const auto& [text, problem] :
       {std::pair{"", "is empty"}, {"\n", "is empty"}, {"two\nlines", "several lines"}}) {
    files.Put("/bad", {.mode = 0600, .data = text});
    options.secret.password_file = "/bad";
    const absl::Status status = Set(options);
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(Message(status), HasSubstr(std::string("--password-file /bad: it ") +
                                           (problem[0] == 'i' ? "" : "has ") + problem));
    EXPECT_THAT(Message(status), testing::Not(HasSubstr("lines\nlines")));
  }
  options.secret.password_file = "/none";
  EXPECT_THAT(Message(Set(options)), HasSubstr("/none"));
}

TEST_F(OwnSecretTest, ADryRunOfSetWritesNoSecret) {
  ASSERT_TRUE(Create().ok());
  KindOptions options = Renewed("ben@example.com");
  options.dry_run = true;
  ASSERT_TRUE(Set(options).ok());
  EXPECT_EQ(Value(Is(kube::kSecrets, "hall-user"), "email"), "ann@example.com");
  // Whose it is stays, and which values it gets is not shown.
  EXPECT_THAT(out, HasSubstr("created\napiVersion: v1\ndata:\n  email: <redacted>\n  password: <redacted>\n"
                             "kind: Secret\nmetadata:\n  name: hall-user\n  namespace: north\ntype: Opaque\n"
                             "---\napiVersion: slicelet.io/v1alpha1\n"));
  for (const std::string& secret :
       {std::string("s3cret"), Base64Encode("s3cret"), Base64Encode("ben@example.com")}) {
    EXPECT_EQ(out.find(secret), std::string::npos) << out;
  }
}

TEST_F(OwnSecretTest, ADryRunOfCreateShowsTheSecretWithoutItsValues) {
  const auto print = [this](const std::string& format, const KindOptions& base) {
    KindOptions options = base;
    options.output = format;
    out.clear();
    const auto show = [this](const std::string& text) { out += text; };
    const auto say = [this](const std::string& line) { said.push_back(line); };
    return PrintDryRun(*FindKind("server"), options, {}, files, show, say);
  };
  ASSERT_TRUE(print("", Hall()).ok());
  EXPECT_EQ(
      out,
      "apiVersion: v1\ndata:\n  email: <redacted>\n  password: <redacted>\nkind: Secret\nmetadata:\n"
      "  labels:\n    slicelet.io/server: hall\n  name: hall-user\n  namespace: north\ntype: Opaque\n---\n"
      "apiVersion: slicelet.io/v1alpha1\nkind: IotServer\nmetadata:\n  name: hall\n  namespace: north\n"
      "spec:\n  credentialsSecret: hall-user\n  profile: external\n  slice: north\n  url: http://a\n");
  EXPECT_FALSE(Base64Decode(kRedacted).ok()) << "an API server refuses it";
  ASSERT_TRUE(print("json", Hall()).ok());
  const Json list = Json::parse(out);
  EXPECT_EQ(list["kind"], "List");
  EXPECT_EQ(list["items"][0]["data"], (Json{{"email", kRedacted}, {"password", kRedacted}}));
  EXPECT_EQ(list["items"][1]["spec"]["credentialsSecret"], "hall-user");
  ASSERT_TRUE(print("name", Hall()).ok());
  EXPECT_EQ(out, "secret/hall-user\niotserver.slicelet.io/hall\n");
  ASSERT_TRUE(print("table", Hall()).ok());
  EXPECT_EQ(out.find("redacted"), std::string::npos);
  // As without --dry-run: the name that is given, and a file that can be used.
  KindOptions options = Hall();
  options.given["--credentials-secret"] = {"mine"};
  ASSERT_TRUE(print("name", options).ok());
  EXPECT_EQ(out, "secret/mine\niotserver.slicelet.io/hall\n");
  options.secret.password_file = "/none";
  EXPECT_THAT(Message(print("", options)), HasSubstr("/none"));
  EXPECT_EQ(out, "");
  EXPECT_EQ(Is(kube::kSecrets, "hall-user"), Json());
}

TEST_F(OwnSecretTest, AClusterComesWithItsKubeconfig) {
  KindOptions options{.names = {"plant"},
                      .given = {{"--role", {"edge"}}, {"--cluster-context", {"none"}}},
                      .secret = {.kubeconfig_file = "/kubeconfig"}};
  const absl::Status wrong = commands.Create(*FindKind("cluster"), options);
  EXPECT_TRUE(absl::IsFailedPrecondition(wrong)) << wrong;
  EXPECT_THAT(Message(wrong), HasSubstr("--kubeconfig-file /kubeconfig: contexts has no entry \"none\""));
  EXPECT_EQ(Message(wrong).find("cluster-token"), std::string::npos);
  options.given["--cluster-context"] = {"plant"};
  ASSERT_TRUE(commands.Create(*FindKind("cluster"), options).ok());
  const Json plant = Is(kube::kIotClusters, "plant", "slicelet");
  EXPECT_EQ(plant["spec"],
            Json::parse(R"({"role":"edge","context":"plant","kubeconfigSecret":"plant-kubeconfig"})"));
  const Json secret = Is(kube::kSecrets, "plant-kubeconfig", "slicelet");
  EXPECT_EQ(Value(secret, "kubeconfig"), kKubeconfig);
  EXPECT_EQ(secret["metadata"]["labels"]["slicelet.io/cluster"], "plant");
  EXPECT_EQ(secret["metadata"]["ownerReferences"][0]["uid"], plant["metadata"]["uid"]);
  files.Put("/kubeconfig", {.mode = 0600, .data = "clusters: [{name: x, cluster: {server: y"});
  const KindOptions renewed{.names = {"plant"}, .secret = {.kubeconfig_file = "/kubeconfig"}};
  EXPECT_TRUE(absl::IsFailedPrecondition(commands.Set(*FindKind("cluster"), renewed)));
  EXPECT_EQ(Value(Is(kube::kSecrets, "plant-kubeconfig", "slicelet"), "kubeconfig"), kKubeconfig);
}

}  // namespace
}  // namespace slicelet::cli
