#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/base/testing/fake_file_system.h"
#include "common/base/testing/loopback_port.h"
#include "common/rpc/testing/test_authority.h"
#include "kube/testing/silent_kube_api.h"
#include "kubelet-shim/app/cluster_identity.h"

namespace slicelet::shim {
namespace {

using Use = CertificateCache::Use;

TEST(ClusterIdentity, ARestartedShimServesItsNodesFromTheCacheAtOnce) {
  AsioLoop loop;
  SystemClock clock;
  SeededRandom random(1);
  FakeFileSystem files;
  // What a node gets, it gets from the cache.
  kube::SilentKubeApi kube;
  HttpServer server(loop, {}, [](const auto&) {});
  CsrIdentity requests(loop, clock, random, kube);
  CertificateCache cache("/certificates", files, clock);
  const TestAuthority authority;
  cache.Store("gw-1", Use::kClient, authority.Issue("system:node:gw-1"));
  cache.Store("gw-1", Use::kServing, authority.Issue("system:node:gw-1"));
  // One that no other test is given, also while nobody listens there.
  const int port = FreeLoopbackPort();
  NodeListeners listeners(server, {.listen = "127.0.0.1", .first_port = port, .ports = 1});
  auto api = std::make_shared<kube::SilentKubeApi>();
  ClusterIdentity identity({.address = "127.0.0.1"}, {.loop = loop,
                                                      .requests = requests,
                                                      .cache = cache,
                                                      .listeners = listeners,
                                                      .make_api = [&](const auto&) { return api; }});

  std::shared_ptr<kube::KubeApi> got;
  absl::StatusOr<NodeIdentity::Endpoint> endpoint = absl::UnknownError("not answered");
  absl::Status too_early;
  identity.EndpointFor("gw-2", [&](const auto& answer) { too_early = answer.status(); });
  identity.ApiFor("gw-1", [&](const auto& answer) {
    got = *answer;
    identity.EndpointFor("gw-1", [&](const auto& answer) {
      endpoint = answer;
      loop.Stop();
    });
  });
  loop.Run();
  EXPECT_EQ(too_early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(got, api);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->address, "127.0.0.1");
  EXPECT_EQ(endpoint->port, port);
  identity.Retire("gw-1");
  EXPECT_FALSE(cache.Load("gw-1", Use::kClient).has_value());
}

}  // namespace
}  // namespace slicelet::shim
