#include <gmock/gmock.h>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_beside.h"
#include "common/loop/testing/run_until.h"
#include "common/rpc/admin_client.h"
#include "common/rpc/testing/test_authority.h"
#include "provider/admin/admin_service.h"

namespace slicelet::provider {
namespace {

/// Answers with what it was asked.
struct FakeHub {
  v1::ListHostsReply ListHosts() const {
    v1::ListHostsReply reply;
    reply.add_hosts()->set_name("gw-1");
    return reply;
  }
  absl::StatusOr<v1::PodHostsReply> PodHosts(const v1::PodHostsRequest& request) const {
    return absl::NotFoundError("no pod " + request.namespace_() + "/" + request.name());
  }
  absl::StatusOr<v1::ExplainPodReply> ExplainPod(const v1::ExplainPodRequest& request) const {
    v1::ExplainPodReply reply;
    reply.add_entries()->set_reason("asked for " + request.name());
    return reply;
  }
  v1::ListOrphansReply ListOrphans() const { return {}; }
  absl::StatusOr<v1::DecideOrphansReply> DecideOrphans(const v1::DecideOrphansRequest& request) {
    v1::DecideOrphansReply reply;
    reply.set_decided(request.uids_size());
    return reply;
  }
  absl::Status DecommissionNode(const v1::DecommissionNodeRequest& request) {
    decommissioned = request.node();
    return absl::OkStatus();
  }
  std::string decommissioned;
};

const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename Reply>
const absl::Status& StatusOf(const absl::StatusOr<Reply>& reply) {
  return reply.status();
}

class AdminTest : public testing::Test {
 protected:
  void SetUp() override {
    RpcServer::Listener listener;
    listener.address = "127.0.0.1:0";
    listener.tls = authority_.IssueTls("slicelet-provider");
    listener.services = {{&service_, [](const RpcPeer& peer) {
                            return peer.organizations == std::vector<std::string>{"slicelet:operators"}
                                       ? absl::OkStatus()
                                       : absl::PermissionDeniedError("only operators");
                          }}};
    const auto port = server_.Listen(listener);
    ASSERT_TRUE(port.ok()) << port.status();
    address_ = "localhost:" + std::to_string(*port);
  }

  /// Runs a blocking conversation while the loop serves it; again when a busy machine took longer for it than
  /// the client waits.
  template <typename Talk>
  auto With(const std::string& organization, Talk talk) {
    auto client = AdminClient::Make(address_, authority_.IssueTls("somebody", organization));
    EXPECT_TRUE(client.ok()) << client.status();
    const auto limit = loop_.Now() + kPatience;
    auto result = RunBeside(loop_, [&] { return talk(**client); });
    while (absl::IsDeadlineExceeded(StatusOf(result)) && loop_.Now() < limit)
      result = RunBeside(loop_, [&] { return talk(**client); });
    return result;
  }

  AsioLoop loop_;
  TestAuthority authority_;
  FakeHub hub_;
  AdminService service_{loop_, MakeAdminHandlers(hub_)};
  RpcServer server_;
  std::string address_;
};

TEST_F(AdminTest, CarriesRequestsRepliesAndErrors) {
  const auto hosts = With("slicelet:operators", [](AdminClient& client) { return client.ListHosts(); });
  ASSERT_TRUE(hosts.ok()) << hosts.status();
  EXPECT_EQ(hosts->hosts(0).name(), "gw-1");

  const auto pod = With("slicelet:operators", [](AdminClient& client) {
    v1::PodHostsRequest request;
    request.set_namespace_("default");
    request.set_name("web");
    return client.PodHosts(request);
  });
  EXPECT_EQ(pod.status(), absl::NotFoundError("no pod default/web"));

  const auto explained = With("slicelet:operators", [](AdminClient& client) {
    v1::ExplainPodRequest request;
    request.set_name("web");
    return client.ExplainPod(request);
  });
  ASSERT_TRUE(explained.ok()) << explained.status();
  EXPECT_EQ(explained->entries(0).reason(), "asked for web");

  const auto decommissioned = With("slicelet:operators", [](AdminClient& client) {
    v1::DecommissionNodeRequest request;
    request.set_node("gw-1");
    return client.DecommissionNode(request);
  });
  EXPECT_TRUE(decommissioned.ok()) << decommissioned;
  EXPECT_EQ(hub_.decommissioned, "gw-1");
}

TEST_F(AdminTest, LetsOnlyOperatorsIn) {
  const auto status = With("slicelet:hosts", [](AdminClient& client) { return client.ListHosts().status(); });
  EXPECT_EQ(status, absl::PermissionDeniedError("only operators"));
}

}  // namespace
}  // namespace slicelet::provider
