#include "edge-agent/app/machine.h"

#include <gtest/gtest.h>

namespace slicelet::agent {
namespace {

const InterfaceAddress kBridge{"10.88.0.1", true};
const InterfaceAddress kLinkLocal{"169.254.7.7", true};
const InterfaceAddress kCable{"192.0.2.1"};
const InterfaceAddress kOther{"198.51.100.7"};

TEST(ChooseAddress, AtBootBeforeTheNetworkABridgesIsBetterThanNone) {
  EXPECT_EQ(ChooseAddress({}, ""), "");
  EXPECT_EQ(ChooseAddress({}, "127.0.0.1"), "");
  EXPECT_EQ(ChooseAddress({kBridge}, ""), "10.88.0.1");
  EXPECT_EQ(ChooseAddress({kBridge}, "127.0.0.1"), "10.88.0.1");
}

TEST(ChooseAddress, ARealOneReplacesWhatWasThereBeforeTheNetwork) {
  EXPECT_EQ(ChooseAddress({kBridge, kLinkLocal, kCable}, "127.0.0.1"), "192.0.2.1");
  EXPECT_EQ(ChooseAddress({kBridge, kCable}, "10.88.0.1"), "192.0.2.1");
}

TEST(ChooseAddress, ItStaysWhileAnInterfaceHasIt) {
  EXPECT_EQ(ChooseAddress({kOther, kCable}, "192.0.2.1"), "192.0.2.1");
}

TEST(ChooseAddress, AHostWhoseCableIsPulledIsNotKnownByItsBridge) {
  EXPECT_EQ(ChooseAddress({kBridge, kLinkLocal}, "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(ChooseAddress({}, "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(ChooseAddress({kBridge, kOther}, "192.0.2.1"), "198.51.100.7");
}

TEST(HasAddress, TellsWhatTheMachineHas) {
  EXPECT_TRUE(HasAddress("127.0.0.1"));
  EXPECT_FALSE(HasAddress("192.0.2.77"));
  EXPECT_FALSE(HasAddress("2001:db8::77"));
  EXPECT_TRUE(HasAddress("gateway.example")) << "nobody can tell";
}

}  // namespace
}  // namespace slicelet::agent
