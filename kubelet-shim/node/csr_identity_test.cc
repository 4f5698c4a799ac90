#include "kubelet-shim/node/csr_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/base/testing/fake_clock.h"
#include "common/json/json.h"
#include "common/loop/testing/sim_loop.h"
#include "kube/object.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::shim {
namespace {

using kube::Json;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// The requests are signed as kube-controller-manager signs: what is approved, once. The certificate is for
/// the name of the requested node, because reading it back from the request needs no test here.
class CsrIdentityTest : public testing::Test {
 protected:
  CsrIdentityTest() {
    authority = *MakeAuthority("cluster", clock.Now(), hours(24 * 365));
    server.cluster().AddListener([this](const std::string& collection) {
      if (collection == kube::MemoryCluster::CollectionKey(kube::kCertificateSigningRequests)) {
        loop.Post([this] { Sign(); });
      }
    });
  }
  void Sign() {
    for (const auto& request : server.cluster().All(kube::kCertificateSigningRequests)) {
      if (!signing || kube::Find(*request, {"status", "certificate"}) != nullptr) continue;
      if (GetString(*request, "/status/conditions/0/type") != "Approved") continue;
      CertificateTemplate contents;
      contents.common_name = signed_name;
      const auto issued = IssueCertificate(authority, contents, clock.Now(), hours(24));
      ASSERT_TRUE(server.cluster()
                      .Patch("kcm", {kube::kCertificateSigningRequests, "", kube::NameOf(*request), "status"},
                             kube::PatchType::kMerge,
                             {{"status", {{"certificate", Base64Encode(issued->certificate_pem)}}}})
                      .ok());
    }
  }
  void KeepClient() {
    identity.KeepClientCertificate("gw",
                                   [this](const CertificateAndKey& pair) { certificates.push_back(pair); });
  }
  std::vector<kube::StoredObject> Requests() {
    return server.cluster().All(kube::kCertificateSigningRequests);
  }

  SimLoop loop;
  FakeClock clock{loop};
  SeededRandom random{11};
  kube::MemoryApiServer server{loop, clock, random};
  std::unique_ptr<kube::KubeApi> controller = server.ApiAs("controller");
  CertificateAndKey authority;
  std::string signed_name = "system:node:gw";
  bool signing = true;
  std::vector<CertificateAndKey> certificates;
  CsrIdentity identity{loop, clock, random, *controller};
};

TEST_F(CsrIdentityTest, AsksApprovesAndTakesTheClientCertificate) {
  KeepClient();
  loop.Advance(seconds(1));
  ASSERT_EQ(certificates.size(), 1U);
  EXPECT_EQ(ReadCertificate(certificates[0].certificate_pem)->common_name, "system:node:gw");
  ASSERT_EQ(Requests().size(), 1U);
  const Json& request = *Requests()[0];
  EXPECT_EQ(GetString(request, "/spec/signerName"), "kubernetes.io/kube-apiserver-client-kubelet");
  EXPECT_EQ(GetArray(request, "/spec/usages"), Json::parse(R"(["digital signature","client auth"])"));
  EXPECT_EQ(GetString(request, "/spec/username"), "controller");
}

TEST_F(CsrIdentityTest, TheNodeAsksForItsServingCertificate) {
  identity.KeepServingCertificate("gw", {"10.0.0.9"}, {}, server.ApiAs("system:node:gw"),
                                  [this](const CertificateAndKey& pair) { certificates.push_back(pair); });
  loop.Advance(seconds(1));
  ASSERT_EQ(certificates.size(), 1U);
  const Json& request = *Requests()[0];
  EXPECT_EQ(GetString(request, "/spec/signerName"), "kubernetes.io/kubelet-serving");
  EXPECT_EQ(GetString(request, "/spec/username"), "system:node:gw");
}

TEST_F(CsrIdentityTest, RenewsBetweenSeventyAndNinetyPercent) {
  KeepClient();
  loop.Advance(minutes(16 * 60));
  EXPECT_EQ(certificates.size(), 1U);
  loop.Advance(minutes(6 * 60 + 30));
  ASSERT_EQ(certificates.size(), 2U);
  EXPECT_NE(certificates[0].key_pem, certificates[1].key_pem);
}

TEST_F(CsrIdentityTest, AClockThatIsSetForwardEndsACertificateEarly) {
  KeepClient();
  loop.Advance(minutes(1));
  ASSERT_EQ(certificates.size(), 1U);
  clock.Jump(hours(48));
  loop.Advance(hours(1));
  EXPECT_EQ(certificates.size(), 2U);
}

TEST_F(CsrIdentityTest, AClockThatIsSetBackDoesNotProlongACertificate) {
  KeepClient();
  loop.Advance(minutes(1));
  clock.Jump(-hours(48));
  loop.Advance(hours(23));
  EXPECT_EQ(certificates.size(), 2U);
}

TEST_F(CsrIdentityTest, WithoutTheRightToApproveItWaitsForSomebodyElse) {
  server.faults().before = [](const kube::KubeCall& call) {
    return call.ref.subresource == "approval" ? absl::PermissionDeniedError("no") : absl::OkStatus();
  };
  KeepClient();
  loop.Advance(minutes(5));
  EXPECT_TRUE(certificates.empty());
  ASSERT_EQ(Requests().size(), 1U);
  Json approved = *Requests()[0];
  approved["status"]["conditions"] = Json::parse(R"([{"type":"Approved","status":"True"}])");
  ASSERT_TRUE(server.cluster()
                  .Update("operator",
                          {kube::kCertificateSigningRequests, "", kube::NameOf(approved), "approval"},
                          approved)
                  .ok());
  loop.Advance(seconds(6));
  EXPECT_EQ(certificates.size(), 1U);
}

TEST_F(CsrIdentityTest, AnUnsignedOrDeniedRequestIsMadeAgain) {
  signing = false;
  KeepClient();
  loop.Advance(minutes(1));
  ASSERT_TRUE(server.cluster()
                  .Patch("operator",
                         {kube::kCertificateSigningRequests, "", kube::NameOf(*Requests()[0]), "approval"},
                         kube::PatchType::kMerge,
                         Json::parse(R"({"status":{"conditions":[{"type":"Denied","status":"True"}]}})"))
                  .ok());
  signing = true;
  loop.Advance(seconds(10));
  EXPECT_EQ(Requests().size(), 2U);
  EXPECT_EQ(certificates.size(), 1U);
}

TEST_F(CsrIdentityTest, ACertificateForAnotherNameIsNotTaken) {
  signed_name = "system:node:other";
  KeepClient();
  loop.Advance(minutes(1));
  EXPECT_TRUE(certificates.empty());
}

TEST_F(CsrIdentityTest, SurvivesAnApiServerThatIsAway) {
  server.SetDown(true);
  KeepClient();
  loop.Advance(minutes(2));
  server.SetDown(false);
  loop.Advance(minutes(6));
  EXPECT_EQ(certificates.size(), 1U);
}

TEST_F(CsrIdentityTest, ARetiredNodeAsksNoMore) {
  KeepClient();
  identity.Retire("gw");
  loop.Advance(hours(48));
  EXPECT_TRUE(certificates.empty());
}

}  // namespace
}  // namespace slicelet::shim
