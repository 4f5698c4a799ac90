// A slice node on a real kube-apiserver: its certificates, what NodeRestriction lets it do, and that the
// controllers see a healthy node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/json/json.h"
#include "kube/object.h"
#include "kube/testing/control_plane.h"
#include "kubelet-shim/node/csr_identity.h"
#include "kubelet-shim/node/leader_lease.h"
#include "kubelet-shim/node/node_controller.h"

namespace slicelet::shim {
namespace {

using std::chrono::milliseconds;

const testing::Environment* const kControlPlane = testing::AddGlobalTestEnvironment(new kube::ControlPlane);

class NodeIntegrationTest : public kube::ControlPlaneTest {
 protected:
  std::shared_ptr<kube::KubeApi> ApiOf(const std::string& node) {
    const auto certificate = std::make_shared<kube::ClientCertificate>();
    identity.KeepClientCertificate(node, [certificate](const CertificateAndKey& pair) {
      certificate->Set(pair.certificate_pem, pair.key_pem);
    });
    RunUntil([&] { return certificate->Get().version > 0; });
    return kube::MakeHttpKubeApi(kube::WithCertificate(config, certificate), loop, *files);
  }
  Json Node(const std::string& name) {
    const auto node =
        Await<Json>([&](auto done) { api->Get({kube::kNodes, "", name, ""}, std::move(done)); });
    return node.ok() ? *node : Json();
  }
  static v1::NodeReport Report(bool link) {
    v1::NodeReport report;
    report.set_name("gw");
    auto* facts = report.mutable_facts();
    facts->set_architecture("amd64");
    facts->set_cpu_milli(1'500);
    facts->set_memory_bytes(1'000'000'000);
    facts->set_ephemeral_storage_bytes(5'000'000'000);
    facts->set_pods(20);
    facts->set_allocatable_cpu_milli(1'400);
    facts->set_allocatable_memory_bytes(900'000'000);
    facts->set_allocatable_ephemeral_storage_bytes(4'000'000'000);
    report.mutable_link()->set_status(link);
    report.mutable_link()->set_reason(link ? "Connected" : "Silent");
    return report;
  }

  SystemClock clock;
  CsrIdentity identity{loop, clock, random, *api};
};

TEST_F(NodeIntegrationTest, RegistersReportsAndComesBack) {
  const auto node_api = ApiOf("gw");
  v1::NodeDeclare declaration;
  declaration.set_name("gw");
  declaration.set_host("gw");
  declaration.set_slice("plant");
  int registered = 0;
  NodeController node(declaration, "127.0.0.1", 12'345, {"hub-1", "v1.36.0", std::chrono::seconds(40)},
                      {loop, clock, random, node_api, *api, [&](const std::string&) { ++registered; }, {}});
  node.Start();
  RunUntil([&] { return registered == 1; });
  node.Report(Report(true));
  RunUntil([&] {
    return kube::ConditionStatus(node.node(), "Ready") == "True" && node.lease_resource_version() > 0;
  });
  Json object = Node("gw");
  EXPECT_EQ(kube::ConditionStatus(object, "slicelet.io/LinkReady"), "True");
  EXPECT_EQ(GetString(object, "/metadata/labels/kubernetes.io~1arch"), "amd64");
  EXPECT_EQ(GetInt(object, "/status/daemonEndpoints/kubeletEndpoint/Port"), 12'345);

  // Nothing is written again, whatever form the server keeps quantities in. Kubernetes' own controllers add
  // and take their taints meanwhile, which only the server's copy shows.
  RunUntil([&] { return GetArray(Node("gw"), "/spec/taints").size() == 1; });
  const auto status = GetObject(node.node(), "/status");
  node.Report(Report(true));
  bool later = false;
  loop.RunAfter(milliseconds(500), [&] { later = true; });
  RunUntil([&] { return later; });
  EXPECT_EQ(GetObject(Node("gw"), "/status"), status);

  node.Report(Report(false));
  RunUntil([&] { return GetArray(Node("gw"), "/spec/taints").size() == 2; });
  node.Report(Report(true));
  RunUntil([&] { return GetArray(Node("gw"), "/spec/taints").size() == 1; });

  const auto removed = Await<bool>([&](const auto& done) {
    api->Delete({kube::kNodes, "", "gw", ""}, {}, [done](const absl::Status& s) {
      if (s.ok())
        done(true);
      else
        done(s);
    });
  });
  ASSERT_TRUE(removed.ok()) << removed.status();
  RunUntil([&] { return registered == 2 && kube::ConditionStatus(node.node(), "Ready") == "True"; });
}

TEST_F(NodeIntegrationTest, GetsAServingCertificateAsTheNode) {
  const auto node_api = ApiOf("serving");
  std::optional<CertificateAndKey> serving;
  identity.KeepServingCertificate("serving", {"127.0.0.1"}, {}, node_api,
                                  [&](const CertificateAndKey& pair) { serving = pair; });
  RunUntil([&] { return serving.has_value(); });
  EXPECT_EQ(ReadCertificate(serving->certificate_pem)->common_name, "system:node:serving");
}

TEST_F(NodeIntegrationTest, LeadsUnderAGrowingIncarnation) {
  std::vector<std::uint64_t> incarnations;
  for (int life = 0; life < 2; ++life) {
    LeaderLease lease({"kube-system", "slicelet-hub-1", "shim"}, loop, clock, random, *api,
                      {[&](std::uint64_t incarnation) { incarnations.push_back(incarnation); }, {}});
    lease.Start();
    RunUntil([&] { return incarnations.size() == static_cast<std::size_t>(life) + 1; });
  }
  EXPECT_GT(incarnations[1], incarnations[0]);
}

}  // namespace
}  // namespace slicelet::shim
