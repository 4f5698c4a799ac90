#include "common/program/override.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet {
namespace {

using nlohmann::json;

TEST(Override, PutsATextIntoTheTopLevel) {
  json config = {{"address", "10.0.0.1"}, {"hub", "plant-7"}};
  ASSERT_TRUE(Override(config, "address=192.0.2.7").ok());
  ASSERT_TRUE(Override(config, "query=a=b").ok());
  ASSERT_TRUE(Override(config, "empty=").ok());
  EXPECT_EQ(config, json({{"address", "192.0.2.7"}, {"hub", "plant-7"}, {"query", "a=b"}, {"empty", ""}}));
}

TEST(Override, AnEmptyFileGetsItsFirstField) {
  json config;
  ASSERT_TRUE(Override(config, "hub=plant-7").ok());
  EXPECT_EQ(config, json({{"hub", "plant-7"}}));
}

TEST(Override, AFileWithoutNamedFieldsStaysForItsReaderToRefuse) {
  for (const json& file : {json::array({1, 2}), json("text"), json(7)}) {
    json config = file;
    EXPECT_TRUE(Override(config, "hub=plant-7").ok());
    EXPECT_EQ(config, file);
  }
}

TEST(Override, NamesWhatIsNoAssignment) {
  json config = json::object();
  EXPECT_EQ(Message(Override(config, "hub")), "--set hub: write NAME=VALUE");
  EXPECT_EQ(Message(Override(config, "=plant-7")), "--set =plant-7: write NAME=VALUE");
  EXPECT_EQ(config, json::object());
}

}  // namespace
}  // namespace slicelet
