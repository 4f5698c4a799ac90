#include "common/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace slicelet {
namespace {

using ::testing::ElementsAre;

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    SetLogSink([this](LogLevel, const std::string& line) { lines_.push_back(line); });
  }
  ~LogTest() override {
    SetLogSink({});
    SetLogLevel(LogLevel::kInfo);
  }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesTheFactThenTheFieldsInTheirOrder) {
  LogInfo("pod started",
          {{"node", NodeName("edge-1")}, {"gen", Generation{1, 7}}, {"restarts", 2}, {"ready", true}});

  EXPECT_THAT(lines_, ElementsAre("pod started node=edge-1 gen=1.7 restarts=2 ready=true"));
}

TEST_F(LogTest, QuotesValuesThatCouldBeMistakenForFields) {
  LogWarning("pull failed", {{"image", "a b"}, {"why", "x=\"1\""}, {"empty", ""}});

  EXPECT_THAT(lines_, ElementsAre(R"(pull failed image="a b" why="x=\"1\"" empty="")"));
}

TEST_F(LogTest, ControlCharactersDoNotReachTheTerminal) {
  LogError("bad input", {{"name", "a\nb\x1b[31m"}});

  EXPECT_THAT(lines_, ElementsAre(R"(bad input name="a\nb\x1b[31m")"));
}

TEST_F(LogTest, WhatIsNoTextIsWrittenAsBytes) {
  const auto shown = [&](const std::string& value) {
    lines_.clear();
    LogInfo("fact", {{"k", value}});
    return lines_.at(0);
  };
  EXPECT_EQ(shown("M\xc3\xbcnchen\xe2\x82\xac\xf0\x9f\x9a\x80"),
            "fact k=M\xc3\xbcnchen\xe2\x82\xac\xf0\x9f\x9a\x80");
  // Alone, cut short, too long for what it says, half of a pair, beyond Unicode; and a control character.
  EXPECT_EQ(shown("a\xff"), R"(fact k="a\xff")");
  EXPECT_EQ(shown("a\xe2\x82"), R"(fact k="a\xe2\x82")");
  EXPECT_EQ(shown("\xc0\xaf\xe0\x80\xaf"), R"(fact k="\xc0\xaf\xe0\x80\xaf")");
  EXPECT_EQ(shown("\xed\xa0\x80"), R"(fact k="\xed\xa0\x80")");
  EXPECT_EQ(shown("\xf4\x90\x80\x80"), R"(fact k="\xf4\x90\x80\x80")");
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m\xc3\xa9"),
            "fact k=\"\\xc2\\x9b"
            "31m\xc3\xa9\"");
}

TEST_F(LogTest, CutsValuesThatAreDocuments) {
  LogInfo("received", {{"body", std::string(10'000, 'x')}});

  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_LT(lines_[0].size(), 2'100u);
}

TEST_F(LogTest, LevelsBelowTheSetOneAreSilent) {
  LogDebug("hidden");
  ASSERT_TRUE(SetLogLevel("error"));
  LogWarning("hidden too");
  LogError("shown");

  EXPECT_THAT(lines_, ElementsAre("shown"));
}

TEST_F(LogTest, OffSilencesErrorsToo) {
  ASSERT_TRUE(SetLogLevel("off"));
  LogError("hidden");

  EXPECT_TRUE(lines_.empty());
}

TEST_F(LogTest, AnUnknownLevelNameKeepsTheLevel) {
  SetLogLevel(LogLevel::kWarning);

  EXPECT_FALSE(SetLogLevel("loud"));
  EXPECT_EQ(GetLogLevel(), LogLevel::kWarning);
}

}  // namespace
}  // namespace slicelet
