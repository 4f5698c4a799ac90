#include "edge-agent/link/commands.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;
using CommandsTest = HubSessionFixture;

TEST_F(CommandsTest, OpensATunnelOncePerCommandAndNotAfterItsExpiry) {
  Settle();
  v1::HubMessage message;
  auto* command = message.mutable_command();
  command->set_request_id("r1");
  command->mutable_open_tunnel()->set_uid("a");
  command->set_expires(ToUnixNanos(clock_.Now() + seconds(30)));
  Say(message);
  Say(message);
  ASSERT_EQ(served_.size(), 1u);
  EXPECT_EQ(served_[0].uid(), "a");
  std::string first;
  tunnel_->Read(
      [&](absl::StatusOr<std::optional<v1::StreamFrame>> frame) { first = (*frame)->request_id(); });
  Run();
  EXPECT_EQ(first, "r1");

  command->set_request_id("r2");
  command->set_expires(ToUnixNanos(clock_.Now() - seconds(1)));
  Say(message);
  EXPECT_EQ(served_.size(), 1u);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().code(),
            static_cast<int>(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(CommandsTest, ReturnsTheManifestBytesItHolds) {
  Settle();
  v1::HubMessage message;
  message.mutable_command()->set_request_id("r");
  message.mutable_command()->mutable_manifest_bytes();
  Say(message);
  ASSERT_NE(Last(v1::HostMessage::kReply), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().manifest().manifest(), store_.manifest()->manifest());
}

TEST_F(CommandsTest, SendsTheEndOfALogWhenItIsAsked) {
  Settle();
  const auto& features = Last(v1::HostMessage::kBirth)->birth().features();
  EXPECT_NE(std::find(features.begin(), features.end(), "log-tails"), features.end());
  v1::HubMessage message;
  message.mutable_command()->set_request_id("r1");
  message.mutable_command()->mutable_log_tail()->set_uid("u1");
  Say(message);
  ASSERT_NE(Last(v1::HostMessage::kReply), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().request_id(), "r1");
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().log_tail().lines(), "a line\n");
  message.mutable_command()->set_request_id("r2");
  message.mutable_command()->mutable_log_tail()->set_uid("u2");
  Say(message);
  EXPECT_EQ(Last(v1::HostMessage::kReply)->reply().code(), static_cast<int>(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace slicelet::agent
