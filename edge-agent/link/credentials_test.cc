#include "edge-agent/link/credentials.h"

#include <gtest/gtest.h>

#include "edge-agent/link/testing/hub_session_fixture.h"

namespace slicelet::agent {
namespace {

using CredentialsTest = HubSessionFixture;

TEST_F(CredentialsTest, StoresACredentialBeforeItIsUsed) {
  Settle();
  v1::HubMessage message;
  message.mutable_credential()->set_uid("a");
  message.mutable_credential()->set_name("v/token");
  Say(message);
  ASSERT_EQ(runner_->credentials.size(), 1u);
  EXPECT_EQ(runner_->credentials[0].name(), "v/token");
  store_.Crash();
  EXPECT_EQ(store_.loaded().credentials.size(), 1u);
}

TEST_F(CredentialsTest, AsksForCredentialsItMisses) {
  Settle();
  runner_->missing_credentials = {{PodUid("a"), "v/token"}};
  Say(Signed(Manifest(1, 2)));
  ASSERT_NE(Last(v1::HostMessage::kCredentialRequest), nullptr);
  EXPECT_EQ(Last(v1::HostMessage::kCredentialRequest)->credential_request().name(), "v/token");
}

}  // namespace
}  // namespace slicelet::agent
