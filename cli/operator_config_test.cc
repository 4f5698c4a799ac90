#include "cli/operator_config.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/testing/temporary_directory.h"

namespace slicelet::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class OperatorConfigTest : public testing::Test {
 protected:
  OperatorConfigTest() {
    unsetenv("SLICELET_CONFIG");
    setenv("HOME", directory_.path().c_str(), 1);
  }
  std::string Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = directory_.File(path);
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
    return full.string();
  }
  static std::string Good(const std::string& hub) {
    return "hub: " + hub +
           "\nca: /h/ca.crt\ncertificate: /h/o.crt\nkey: /h/o.key\nprovider: unix:/h/p.sock\nshim: "
           "127.0.0.1:10250\n";
  }

  TemporaryDirectory directory_;
};

TEST_F(OperatorConfigTest, TheOptionCountsBeforeTheVariableAndThatBeforeTheHome) {
  const auto option = Write("option.yaml", Good("by-option"));
  const auto variable = Write("variable.yaml", Good("by-variable"));
  Write(".config/slicelet/config.yaml", Good("by-home"));
  EXPECT_EQ(LoadOperatorConfig("")->hub, "by-home");
  setenv("SLICELET_CONFIG", variable.c_str(), 1);
  EXPECT_EQ(LoadOperatorConfig("")->hub, "by-variable");
  EXPECT_EQ(LoadOperatorConfig(option)->hub, "by-option");
}

TEST_F(OperatorConfigTest, SaysWhatIsMissingAndHowToMakeOne) {
  const auto none = LoadOperatorConfig("");
  if (none.ok()) GTEST_SKIP() << "this machine has a hub of its own";
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(none.status()), HasSubstr("slicectl hub init"));
  EXPECT_FALSE(LoadOperatorConfig(directory_.File("nowhere.yaml")).ok());
}

TEST_F(OperatorConfigTest, NamesTheFileAndTheField) {
  const auto path = Write("bad.yaml", "hub: h\ncolour: blue\n");
  EXPECT_THAT(Message(LoadOperatorConfig(path).status()),
              AllOf(HasSubstr(path), HasSubstr("colour"), HasSubstr("certificate")));
}

}  // namespace
}  // namespace slicelet::cli
