#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/file_system.h"
#include "common/base/testing/fake_file_system.h"
#include "kube/http/answer.h"
#include "kube/http/kube_config.h"
#include "kube/http/line_splitter.h"
#include "kube/http/server_address.h"

namespace slicelet::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Lines {
 public:
  absl::Status Feed(std::string_view bytes) {
    return splitter.Feed(bytes, [this](std::string_view line) { lines.emplace_back(line); });
  }
  LineSplitter splitter{16};
  std::vector<std::string> lines;
};

TEST(LineSplitter, CutsWhateverThePiecesAre) {
  const std::string text = "{\"a\":1}\n\n{\"b\":2}\r\nlast\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    Lines lines;
    for (std::size_t at = 0; at < text.size(); at += size) {
      ASSERT_TRUE(lines.Feed(std::string_view(text).substr(at, size)).ok());
    }
    EXPECT_THAT(lines.lines, ElementsAre("{\"a\":1}", "{\"b\":2}", "last")) << size;
  }
}

TEST(LineSplitter, RefusesALineWithoutEnd) {
  Lines lines;
  EXPECT_TRUE(lines.Feed("0123456789").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(lines.Feed("0123456789")));
  EXPECT_TRUE(lines.lines.empty());
}

struct AnswerCase {
  int code;
  const char* reason;
  absl::StatusCode expected;
};

class AnswerTest : public testing::TestWithParam<AnswerCase> {};

TEST_P(AnswerTest, MapsToAStatus) {
  const Json body = {{"kind", "Status"}, {"reason", GetParam().reason}, {"message", "why"}};
  const absl::Status status = StatusOfAnswer(GetParam().code, body.dump(), "");
  EXPECT_EQ(status.code(), GetParam().expected);
  if (!status.ok()) {
    EXPECT_EQ(Message(status), "why");
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, AnswerTest,
                         testing::Values(AnswerCase{200, "", absl::StatusCode::kOk},
                                         AnswerCase{201, "", absl::StatusCode::kOk},
                                         AnswerCase{400, "", absl::StatusCode::kInvalidArgument},
                                         AnswerCase{401, "", absl::StatusCode::kUnauthenticated},
                                         AnswerCase{403, "", absl::StatusCode::kPermissionDenied},
                                         AnswerCase{404, "", absl::StatusCode::kNotFound},
                                         AnswerCase{409, "AlreadyExists", absl::StatusCode::kAlreadyExists},
                                         AnswerCase{409, "Conflict", absl::StatusCode::kAborted},
                                         AnswerCase{410, "Expired", absl::StatusCode::kOutOfRange},
                                         AnswerCase{422, "Invalid", absl::StatusCode::kFailedPrecondition},
                                         AnswerCase{429, "", absl::StatusCode::kUnavailable},
                                         AnswerCase{503, "", absl::StatusCode::kUnavailable},
                                         AnswerCase{504, "", absl::StatusCode::kDeadlineExceeded},
                                         AnswerCase{500, "", absl::StatusCode::kInternal}));

TEST(Answer, RetryAfterComesFromHeaderOrBody) {
  EXPECT_EQ(RetryAfterSeconds(StatusOfAnswer(429, "slow down", "7")), 7);
  EXPECT_EQ(RetryAfterSeconds(StatusOfAnswer(
                503, R"({"kind":"Status","details":{"retryAfterSeconds":3},"message":"m"})", "")),
            3);
  EXPECT_EQ(RetryAfterSeconds(StatusOfAnswer(404, "", "7")), std::nullopt);
  // Nobody may keep us away for a day, or for longer than a clock can count.
  for (const char* long_time : {"86400", "13000000000", "9223372036854775807"})
    EXPECT_EQ(RetryAfterSeconds(StatusOfAnswer(503, "", long_time)), kMaxRetryAfterSeconds) << long_time;
}

TEST(Answer, ProxyPagesBecomeTheMessage) {
  EXPECT_EQ(Message(StatusOfAnswer(502, "<html>bad gateway", "")), "<html>bad gateway");
  EXPECT_EQ(Message(StatusOfAnswer(502, "", "")), "HTTP 502");
}

TEST(Answer, WatchErrorsAboutVersionsAskForAList) {
  EXPECT_TRUE(absl::IsOutOfRange(StatusOfErrorEvent(Json::parse(R"({"code":410,"reason":"Expired"})"))));
  EXPECT_TRUE(absl::IsOutOfRange(StatusOfErrorEvent(Json::parse(
      R"({"code":504,"reason":"Timeout","message":"Too large resource version: 9, current: 5"})"))));
  EXPECT_TRUE(absl::IsOutOfRange(StatusOfErrorEvent(
      Json::parse(R"({"code":504,"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}})"))));
  EXPECT_TRUE(absl::IsInternal(StatusOfErrorEvent(Json::object())));
}

TEST(Answer, QueriesAreEncoded) {
  ListOptions options;
  options.field_selector = "spec.nodeName=gw,a!=b";
  options.resource_version = "0";
  EXPECT_EQ(ListQuery(options), "fieldSelector=spec.nodeName%3Dgw%2Ca%21%3Db&resourceVersion=0");
}

class KubeConfigTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(files.MakeDirectories(path.substr(0, path.rfind('/')), 0700).ok());
    ASSERT_TRUE(files.WriteAtomically(path, text, 0600).ok());
  }
  absl::StatusOr<KubeConfig> Read(const std::string& user,
                                  const std::string& cluster = "certificate-authority: ca.crt") {
    Write("/etc/k/ca.crt", "CA");
    Write("/etc/k/config",
          "current-context: c\n"
          "clusters: [{name: k, cluster: {server: 'https://h:6443/', " +
              cluster +
              "}}]\n"
              "users: [{name: u, user: {" +
              user +
              "}}]\n"
              "contexts: [{name: c, context: {cluster: k, user: u, namespace: ns}}]\n");
    return ReadKubeConfig(files, "/etc/k/config", "");
  }
  FakeFileSystem files;
};

TEST_F(KubeConfigTest, ReadsFilesBesideItAndInlineData) {
  Write("/etc/k/u.key", "KEY");
  const auto config = Read("client-certificate-data: " + Base64Encode("CERT") + ", client-key: u.key");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://h:6443");
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->ns, "ns");
  ASSERT_NE(config->certificate, nullptr);
  EXPECT_EQ(config->certificate->Get().certificate, "CERT");
  EXPECT_EQ(config->certificate->Get().key, "KEY");
}

TEST_F(KubeConfigTest, ReadsTokens) {
  EXPECT_EQ(Read("token: t")->token, "t");
  EXPECT_EQ(Read("tokenFile: /var/t")->token_file, "/var/t");
}

TEST_F(KubeConfigTest, NamesWhatIsWrong) {
  EXPECT_THAT(Message(Read("exec: {command: x}").status()), HasSubstr("user.exec"));
  EXPECT_THAT(Message(Read("client-key: u.key").status()), HasSubstr("client-key"));
  EXPECT_THAT(Message(Read("token: t", "proxy-url: p").status()), HasSubstr("cluster.proxy-url"));
  EXPECT_THAT(Message(Read("token: t", "x: y").status()), HasSubstr("certificate-authority"));
  EXPECT_THAT(Message(ReadKubeConfig(files, "/etc/k/config", "other").status()), HasSubstr("\"other\""));
  EXPECT_THAT(Message(InClusterConfig(files, "", "").status()), HasSubstr("KUBERNETES_SERVICE_HOST"));
}

/// A kubeconfig that somebody else wrote: it must not make this program read files or start programs.
struct ForeignConfig {
  const char* cluster;
  const char* user;
  const char* context;
  /// Part of the error; empty: it is taken.
  const char* refusal;
};
class ForeignConfigTest : public testing::TestWithParam<ForeignConfig> {};

TEST_P(ForeignConfigTest, HasEverythingInsideIt) {
  const ForeignConfig& one = GetParam();
  const std::string text = "current-context: c\nclusters: [{name: k, cluster: {server: https://h:6443, " +
                           std::string(one.cluster) + "}}]\nusers: [{name: u, user: {" + one.user +
                           "}}]\ncontexts: [{name: c, context: {cluster: k, user: u}}, " +
                           "{name: lost, context: {cluster: none, user: u}}]\n";
  const auto config = ParseKubeConfig(text, "Secret access", one.context);
  const std::string refusal = one.refusal;
  if (refusal.empty()) {
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->server, "https://h:6443");
    return;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(config.status()));
  EXPECT_THAT(Message(config.status()), testing::StartsWith("Secret access: "));
  EXPECT_THAT(Message(config.status()), HasSubstr(refusal));
}

constexpr char kCa[] = "certificate-authority-data: Q0E=";
INSTANTIATE_TEST_SUITE_P(
    Fields, ForeignConfigTest,
    testing::Values(
        ForeignConfig{kCa, "token: t", "", ""}, ForeignConfig{kCa, "token: t", "c", ""},
        ForeignConfig{kCa, "client-certificate-data: Q0E=, client-key-data: Q0E=", "", ""},
        ForeignConfig{"insecure-skip-tls-verify: true", "token: t", "", ""},
        ForeignConfig{"certificate-authority: /etc/ca.crt", "token: t", "",
                      "certificate-authority names a file: give certificate-authority-data"},
        ForeignConfig{"certificate-authority-data: '%'", "token: t", "", "certificate-authority-data: "},
        ForeignConfig{"x: y", "token: t", "", "cluster.certificate-authority is needed"},
        ForeignConfig{"server: http://h", "token: t", "", "key \"server\" stands twice"},
        ForeignConfig{kCa, "client-certificate: a.crt, client-key-data: Q0E=", "",
                      "client-certificate names a file: give client-certificate-data"},
        ForeignConfig{kCa, "client-certificate-data: Q0E=, client-key: a.key", "",
                      "client-key names a file: give client-key-data"},
        ForeignConfig{kCa, "client-key-data: Q0E=", "", "client-certificate and client-key belong together"},
        ForeignConfig{kCa, "tokenFile: /etc/shadow", "", "user.tokenFile names a file: give user.token"},
        ForeignConfig{kCa, "exec: {command: rm}", "", "user.exec is not supported"},
        ForeignConfig{kCa, "auth-provider: {name: x}", "", "user.auth-provider is not supported"},
        ForeignConfig{kCa, "token: t", "other", "contexts has no entry \"other\""},
        ForeignConfig{kCa, "token: t", "lost", "clusters has no entry \"none\""}));

TEST_F(KubeConfigTest, ForeignTextThatIsNoKubeconfigIsRefused) {
  for (const std::string& text :
       {std::string("["), std::string("[]"), std::string("text"), std::string("a: b"),
        std::string("contexts: x\ncurrent-context: c"), std::string(2U << 20U, 'x')}) {
    const auto config = ParseKubeConfig(text, "Secret access", "");
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text.substr(0, 40) << ": " << config.status();
    EXPECT_THAT(Message(config.status()), testing::StartsWith("Secret access: "));
  }
}

/// What the HTTP library would throw at is refused before a client is made of it.
TEST_F(KubeConfigTest, AServerThatIsNoAddressIsRefusedWithItsText) {
  for (const char* server :
       {"http://h:6443", "h:6443", "https://", "https:///path", "https://<address>:6443",
        "https://h:99999999", "https://h:99999999999999999999", "https://h:-1", "https://h:x", "https://[::1",
        "https://a b", "https://h?x=y", "https://h#f", "https://user@h"}) {
    const std::string text = "current-context: c\nclusters: [{name: k, cluster: {server: '" +
                             std::string(server) + "', " + kCa +
                             "}}]\nusers: [{name: u, user: {token: t}}]\n" +
                             "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
    const auto config = ParseKubeConfig(text, "Secret access", "");
    ASSERT_TRUE(absl::IsInvalidArgument(config.status())) << server << ": " << config.status();
    EXPECT_THAT(Message(config.status()),
                testing::StartsWith("Secret access: cluster.server is \"" + std::string(server) + "\": "));
  }
  for (const char* server :
       {"https://h", "https://10.0.0.1:6443/", "https://[fd00::1]:6443", "https://h/a/b"})
    EXPECT_TRUE(CheckServerAddress(server).ok()) << CheckServerAddress(server);
}

TEST_F(KubeConfigTest, AnEnvironmentThatNamesNoServerIsRefused) {
  const auto config = InClusterConfig(files, "h", "tcp://10.0.0.1:443");
  EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << config.status();
  EXPECT_THAT(Message(config.status()), HasSubstr("tcp://10.0.0.1:443"));
}

TEST_F(KubeConfigTest, InClusterUsesTheMountedAccount) {
  const std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount";
  Write(directory + "/ca.crt", "CA");
  Write(directory + "/namespace", "hub");
  const auto config = InClusterConfig(files, "fd00::1", "443");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://[fd00::1]:443");
  EXPECT_EQ(config->ns, "hub");
  EXPECT_EQ(config->token_file, directory + "/token");
}

}  // namespace
}  // namespace slicelet::kube
