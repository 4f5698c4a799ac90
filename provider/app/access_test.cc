#include "provider/app/access.h"

#include <gtest/gtest.h>

namespace slicelet::provider {
namespace {

TEST(AllowHost, NeedsTheHubsOwnNameForTheHost) {
  RpcPeer peer;
  peer.common_name = "gw-1";
  EXPECT_FALSE(AllowHost("hub-1", peer).ok());
  peer.uris = {"spiffe://hub-2/host/gw-1", "spiffe://hub-1/host/gw-2"};
  EXPECT_FALSE(AllowHost("hub-1", peer).ok());
  peer.uris.emplace_back("spiffe://hub-1/host/gw-1");
  EXPECT_TRUE(AllowHost("hub-1", peer).ok());
  peer.common_name = "";
  peer.uris = {"spiffe://hub-1/host/"};
  EXPECT_FALSE(AllowHost("hub-1", peer).ok());
}

TEST(AllowGroup, NeedsTheGroup) {
  RpcPeer peer;
  peer.common_name = "operator";
  peer.organizations = {"slicelet:operators"};
  EXPECT_TRUE(AllowGroup("slicelet:operators", peer).ok());
  EXPECT_EQ(AllowGroup("slicelet:shims", peer),
            absl::PermissionDeniedError("the certificate of \"operator\" does not have O=slicelet:shims"));
}

}  // namespace
}  // namespace slicelet::provider
