// Against a real kube-apiserver: what no fake can promise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "common/base/encoding.h"
#include "kube/http/http_cluster_reader.h"
#include "kube/http/http_kube_api.h"
#include "kube/object.h"
#include "kube/reflector.h"
#include "kube/testing/control_plane.h"

namespace slicelet::kube {
namespace {

using std::chrono::milliseconds;

const testing::Environment* const kControlPlane = testing::AddGlobalTestEnvironment(new ControlPlane);

class HttpKubeApiTest : public ControlPlaneTest {
 protected:
  /// This process's connections to the server, by their ports: whether what is written to them is sent at
  /// once, without Nagle's algorithm.
  std::map<int, bool> Connections() {
    const int server = std::stoi(config.server.substr(config.server.rfind(':') + 1));
    std::map<int, bool> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      const int one = std::atoi(entry.path().filename().c_str());
      sockaddr_in peer{}, own{};
      socklen_t size = sizeof(peer);
      if (getpeername(one, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET ||
          ntohs(peer.sin_port) != server) {
        continue;
      }
      size = sizeof(own);
      int at_once = 0;
      socklen_t flag = sizeof(at_once);
      if (getsockname(one, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
          getsockopt(one, IPPROTO_TCP, TCP_NODELAY, &at_once, &flag) == 0) {
        found[ntohs(own.sin_port)] = at_once != 0;
      }
    }
    return found;
  }
  absl::StatusOr<Json> Create(const std::string& name, KubeApi* with = nullptr) {
    return Await<Json>([&](auto done) {
      (with == nullptr ? *api : *with)
          .Create({kConfigMaps, "default", name, ""}, {{"data", {{"k", "v"}}}}, done);
    });
  }
  absl::StatusOr<Json> Patch(const std::string& name, const Json& patch) {
    return Await<Json>(
        [&](auto done) { api->Patch({kConfigMaps, "default", name, ""}, PatchType::kMerge, patch, done); });
  }
  absl::Status Remove(const std::string& name, const DeleteOptions& options) {
    return Await<bool>([&](auto done) {
             api->Delete({kConfigMaps, "default", name, ""}, options, [done](const absl::Status& status) {
               if (status.ok())
                 done(true);
               else
                 done(status);
             });
           })
        .status();
  }
};

TEST_F(HttpKubeApiTest, CreatesPatchesUpdatesAndDeletes) {
  const auto created = Create("crud");
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(absl::IsAlreadyExists(Create("crud").status()));
  const auto patched = Patch("crud", {{"data", {{"k", "w"}}}});
  ASSERT_TRUE(patched.ok()) << patched.status();
  const auto stale =
      Await<Json>([&](auto done) { api->Update({kConfigMaps, "default", "crud", ""}, *created, done); });
  EXPECT_TRUE(absl::IsAborted(stale.status())) << stale.status();
  EXPECT_TRUE(absl::IsAborted(Remove("crud", {"00000000-0000-0000-0000-000000000000", std::nullopt})));
  EXPECT_TRUE(Remove("crud", {UidOf(*created), std::nullopt}).ok());
  EXPECT_TRUE(absl::IsNotFound(Patch("crud", {{"data", nullptr}}).status()));
}

TEST_F(HttpKubeApiTest, AClusterSaysWhoItIs) {
  const auto reader = MakeHttpClusterReader(config, loop, *files);
  const auto ask = [&](const std::optional<KubeConfigText>& way) {
    return Await<ClusterFacts>([&](auto done) { reader->Read(way, done); });
  };
  const auto kube_system =
      Await<Json>([&](auto done) { api->Get({kNamespaces, "", "kube-system", ""}, done); });
  ASSERT_TRUE(kube_system.ok()) << kube_system.status();
  for (const char* node : {"one", "two", "three"}) {
    const auto made =
        Await<Json>([&](auto done) { api->Create({kNodes, "", node, ""}, Json::object(), done); });
    ASSERT_TRUE(made.ok()) << made.status();
  }
  const auto own = ask(std::nullopt);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(own->server, config.server);
  EXPECT_EQ(own->uid, UidOf(*kube_system));
  EXPECT_EQ(own->version.rfind("v1.", 0), 0U) << own->version;
  EXPECT_EQ(own->nodes, 3);
  EXPECT_EQ(own->storage_class.reason, "NoDefaultStorageClass") << own->storage_class.message;
  EXPECT_EQ(own->network_plugin.reason, "NoNodeReady") << own->network_plugin.message;

  const auto text = [&](const std::string& server, const std::string& user) {
    return KubeConfigText{
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: '" +
            server + "', certificate-authority-data: " + Base64Encode(config.ca_pem) +
            "}}]\nusers: [{name: u, user: {" + user + "}}]\n",
        "Secret access", ""};
  };
  const auto pem = config.certificate->Get();
  const auto same = ask(text(config.server, "client-certificate-data: " + Base64Encode(pem.certificate) +
                                                ", client-key-data: " + Base64Encode(pem.key)));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(*same, *own);

  // A default StorageClass, and a node with a network: on the second page, and not the hub's own.
  const Resource storage_classes{"storage.k8s.io", "v1", "storageclasses", "StorageClass", false};
  const Json is_default = {{"storageclass.kubernetes.io/is-default-class", "true"}};
  const auto make = [&](const ObjectRef& ref, const Json& object) {
    const auto made = Await<Json>([&](auto done) { api->Create(ref, object, done); });
    ASSERT_TRUE(made.ok()) << made.status();
  };
  const Json is_ready = {{"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
  make({storage_classes, "", "disk", ""},
       {{"metadata", {{"annotations", is_default}}}, {"provisioner", "example.com/disk"}});
  for (int i = 10; i < 30; ++i) make({kNodes, "", "w-" + std::to_string(i), ""}, Json::object());
  const auto ready = [&](const std::string& node) {
    const auto said = Await<Json>([&](auto done) {
      api->Patch({kNodes, "", node, "status"}, PatchType::kStrategicMerge, is_ready, done);
    });
    ASSERT_TRUE(said.ok()) << said.status();
  };
  make({kNodes, "", "virtual", ""}, {{"metadata", {{"labels", {{"type", "virtual-kubelet"}}}}}});
  ready("virtual");
  EXPECT_EQ(ask(std::nullopt)->network_plugin.reason, "NoNodeReady");
  ready("w-28");
  const auto fitted = ask(std::nullopt);
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  EXPECT_EQ(fitted->nodes, 24);
  EXPECT_EQ(fitted->storage_class.message, "StorageClass disk");
  EXPECT_EQ(fitted->network_plugin.status, "True");
  EXPECT_EQ(fitted->network_plugin.message.rfind("node w-28 ", 0), 0U) << fitted->network_plugin.message;

  const auto stranger = ask(text(config.server, "token: wrong"));
  EXPECT_TRUE(absl::IsUnauthenticated(stranger.status())) << stranger.status();
  const auto nowhere = ask(text("https://127.0.0.1:1", "token: t"));
  EXPECT_TRUE(absl::IsUnavailable(nowhere.status())) << nowhere.status();
  const auto broken = ask(text(config.server, "client-certificate-data: Q0E=, client-key-data: Q0E="));
  EXPECT_FALSE(broken.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ask(KubeConfigText{"[]", "Secret access", ""}).status()));
}

TEST_F(HttpKubeApiTest, StatusPatchOfAnotherUidIsUnprocessable) {
  const auto created = Create("uid");
  const auto patched = Patch("uid", {{"metadata", {{"uid", "other"}}}});
  EXPECT_TRUE(absl::IsFailedPrecondition(patched.status())) << patched.status();
}

TEST_F(HttpKubeApiTest, ListsOverSeveralPages) {
  constexpr int kCount = 510;
  int created = 0;
  for (int i = 0; i < kCount; ++i) {
    api->Create({kConfigMaps, "default", "page-" + std::to_string(i), ""}, Json::object(),
                [&](const absl::StatusOr<Json>& answer) { created += answer.ok() ? 1 : 0; });
  }
  // One by one: all of them may take a busy machine longer than it is waited for.
  for (int more = 1; more <= kCount && !HasFailure(); ++more) RunUntil([&] { return created >= more; });
  const auto list = Await<ObjectList>(
      [&](auto done) { api->List(kConfigMaps, "default", ListOptions(), std::move(done)); });
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_GE(list->items.size(), static_cast<std::size_t>(kCount));
  EXPECT_GT(VersionNumber(list->resource_version), 0U);
  EXPECT_EQ(TextAt(list->items.front(), {"kind"}), "ConfigMap");
}

TEST_F(HttpKubeApiTest, WatchDeliversWithoutDelay) {
  // An earlier test's may end late.
  const auto others = Connections();
  std::set<std::string> seen;
  bool listed = false;
  Reflector reflector(loop, random, *api, {kConfigMaps, "default", "", "", false},
                      {[&](const std::vector<Json>&, const std::string&) { listed = true; },
                       [&](WatchEventType, const Json& object) { seen.insert(ResourceVersionOf(object)); },
                       {}});
  reflector.Start();
  RunUntil([&] { return listed; });
  ASSERT_TRUE(Create("latency").ok());
  // A block-wise reader would show as silence. Nagle's algorithm would delay each round by 40 ms, which a
  // busy machine does as well: what counts is that it is off where one call follows the other. A connection
  // that ended between two of them is new, and has it at first.
  int rounds_at_once = 0;
  for (int i = 0; i < 30; ++i) {
    const auto patched =
        Patch("latency", {{"data", {{"k", std::string(i % 3 == 0 ? 10'000 : 10, 'x') + std::to_string(i)}}}});
    ASSERT_TRUE(patched.ok());
    const std::string version = ResourceVersionOf(*patched);
    RunUntil([&] { return seen.contains(version); });
    const auto connections = Connections();
    rounds_at_once += std::any_of(connections.begin(), connections.end(), [&](const auto& connection) {
      return connection.second && !others.contains(connection.first);
    });
  }
  EXPECT_GT(rounds_at_once, 0);
}

TEST_F(HttpKubeApiTest, ReflectorSeesARestartedServerAndARestoredBackup) {
  const std::string backup = ControlPlane::directory() + "/backup.db";
  ASSERT_TRUE(Create("kept").ok());
  ASSERT_TRUE(ControlPlane::Run("snapshot", backup));
  ASSERT_TRUE(Create("lost").ok());
  // Further than the restored server's own writes bring it before it is asked: its version tells that it was
  // restored.
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(Patch("lost", {{"data", {{"k", std::to_string(i)}}}}).ok());
  int lists = 0;
  std::vector<std::string> names;
  Reflector reflector(loop, random, *api, {kConfigMaps, "default", "", "", false},
                      {[&](const std::vector<Json>& items, const std::string&) {
                         ++lists;
                         names.clear();
                         for (const Json& item : items) names.push_back(NameOf(item));
                       },
                       {},
                       {}});
  reflector.Start();
  RunUntil([&] { return lists == 1; });
  EXPECT_THAT(names, testing::Contains("lost"));
  ASSERT_TRUE(ControlPlane::Run("restore", backup));
  RunUntil([&] { return lists == 2; });
  EXPECT_THAT(names, testing::AllOf(testing::Contains("kept"), testing::Not(testing::Contains("lost"))));
}

TEST_F(HttpKubeApiTest, WrongAuthorityIsRefused) {
  KubeConfig other = config;
  other.ca_pem = *files->Read(ControlPlane::directory() + "/pki/admin.crt", 1 << 20);
  const auto untrusting = MakeHttpKubeApi(other, loop, *files);
  const auto answer = Create("untrusted", untrusting.get());
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
}

TEST_F(HttpKubeApiTest, WithoutCredentialIsRefused) {
  KubeConfig anonymous = config;
  anonymous.certificate = nullptr;
  const auto nobody = MakeHttpKubeApi(anonymous, loop, *files);
  const auto answer = Create("anonymous", nobody.get());
  EXPECT_TRUE(absl::IsPermissionDenied(answer.status()) || absl::IsUnauthenticated(answer.status()))
      << answer.status();
}

TEST_F(HttpKubeApiTest, ARenewedCertificateIsUsedByTheNextCall) {
  const auto certificate = std::make_shared<ClientCertificate>();
  const auto good = config.certificate->Get();
  const auto weak = files->Read(ControlPlane::directory() + "/pki/scheduler.crt", 1 << 20);
  const auto weak_key = files->Read(ControlPlane::directory() + "/pki/scheduler.key", 1 << 20);
  certificate->Set(*weak, *weak_key);
  const auto renewed = MakeHttpKubeApi(WithCertificate(config, certificate), loop, *files);
  EXPECT_TRUE(absl::IsPermissionDenied(Create("renewed", renewed.get()).status()));
  certificate->Set(good.certificate, good.key);
  EXPECT_TRUE(Create("renewed", renewed.get()).ok());
}

TEST_F(HttpKubeApiTest, DestroyingItWithCallsUnderWayIsQuiet) {
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    api->Get({kNamespaces, "", "default", ""}, [&](const absl::StatusOr<Json>&) { ++answers; });
  }
  auto watch = api->StartWatch(kPods, "", {}, {[](const WatchEvent&) {}, [](const absl::Status&) {}});
  watch.reset();
  api.reset();
  bool later = false;
  loop.RunAfter(milliseconds(200), [&] { later = true; });
  RunUntil([&] { return later; });
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace slicelet::kube
