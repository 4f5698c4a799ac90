#include <gmock/gmock.h>

#include "common/rpc/testing/test_authority.h"
#include "kubelet-shim/app/node_listeners.h"

namespace slicelet::shim {
namespace {

using testing::HasSubstr;

TEST(NodeListeners, GiveEachNodeAPortOfItsOwnFromTheRange) {
  AsioLoop loop;
  HttpServer server(loop, {}, [](const auto&) {});
  const TestAuthority authority;
  const auto serving = authority.Issue("node");
  // A range that is free begins behind a port the system just gave out.
  const auto probe = server.Listen({.name = "probe",
                                    .address = "127.0.0.1",
                                    .port = 0,
                                    .certificate_pem = serving.certificate_pem,
                                    .key_pem = serving.key_pem});
  ASSERT_TRUE(probe.ok()) << probe.status();
  NodeListeners listeners(server, {.listen = "127.0.0.1", .first_port = *probe, .ports = 2});

  // The first port is taken by somebody else.
  const auto a = listeners.Open("a", serving);
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(*a, *probe + 1);
  EXPECT_EQ(listeners.Open("a", authority.Issue("renewed")).value(), *a);
  const auto b = listeners.Open("b", serving);
  EXPECT_EQ(b.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(b.status()), HasSubstr("for node b"));
  listeners.Close("a");
  EXPECT_EQ(listeners.Open("b", serving).value(), *a);
}

}  // namespace
}  // namespace slicelet::shim
