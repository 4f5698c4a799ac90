#include <gmock/gmock.h>
#include <unistd.h>

#include "common/rpc/testing/test_authority.h"
#include "kubelet-shim/app/node_listeners.h"

namespace slicelet::shim {
namespace {

using testing::HasSubstr;

/// An address of the loopback network that nothing else uses, also no other run of this program: on 127.0.0.1
/// any connection of any program may hold the very port that a test counts on.
const std::string kAddress =
    "127.115." + std::to_string(getpid() / 250 % 250) + "." + std::to_string(1 + getpid() % 250);

class NodeListenersTest : public testing::Test {
 protected:
  /// A port that is taken.
  int Occupy() {
    const auto port = server.Listen({.name = "somebody else",
                                     .address = kAddress,
                                     .port = 0,
                                     .certificate_pem = serving.certificate_pem,
                                     .key_pem = serving.key_pem});
    EXPECT_TRUE(port.ok()) << port.status();
    return port.value_or(0);
  }

  AsioLoop loop;
  HttpServer server{loop, {}, [](const auto&) {}};
  const TestAuthority authority;
  const CertificateAndKey serving = authority.Issue("node");
};

TEST_F(NodeListenersTest, GiveEachNodeAPortOfItsOwnFromTheRange) {
  const int taken = Occupy();
  NodeListeners listeners(server, {.listen = kAddress, .first_port = taken, .ports = 100});

  const auto a = listeners.Open("a", serving);
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_GT(*a, taken);
  EXPECT_EQ(listeners.Open("a", authority.Issue("renewed")).value(), *a);
  const auto b = listeners.Open("b", serving);
  ASSERT_TRUE(b.ok()) << b.status();
  EXPECT_GT(*b, *a);
  EXPECT_LT(*b, taken + 100);
  listeners.Close("a");
  EXPECT_EQ(listeners.Open("c", serving).value(), *a);
}

TEST_F(NodeListenersTest, SayForWhichNodeNoPortIsLeft) {
  NodeListeners listeners(server, {.listen = kAddress, .first_port = Occupy(), .ports = 1});
  const auto a = listeners.Open("a", serving);
  EXPECT_EQ(a.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(a.status()), HasSubstr("for node a"));
}

}  // namespace
}  // namespace slicelet::shim
