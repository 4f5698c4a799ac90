#include <gmock/gmock.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace slicelet::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Ended {
  int code = -1;
  /// Standard output and error.
  std::string text;
};

Ended Slicectl(const std::string& arguments) {
  Ended ended;
  const std::string line = "SLICELET_CONFIG=/nowhere.yaml " SLICECTL " " + arguments + " 2>&1 </dev/null";
  FILE* pipe = popen(line.c_str(), "r");
  std::array<char, 4'096> buffer{};
  for (std::size_t size = 0; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    ended.text.append(buffer.data(), size);
  }
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

/// The names below "Subcommands:" of a help text.
std::vector<std::string> Subcommands(const std::string& help) {
  std::vector<std::string> names;
  const auto begin = help.find("Subcommands:\n");
  if (begin == std::string::npos) return names;
  std::size_t at = help.find('\n', begin) + 1;
  while (at < help.size() && help.compare(at, 2, "  ") == 0) {
    const auto end = help.find('\n', at);
    // Deeper lines go on with a description.
    if (help[at + 2] != ' ') names.push_back(help.substr(at + 2, help.find(' ', at + 2) - at - 2));
    at = end + 1;
  }
  return names;
}

void ExpectExamples(const std::string& command, int& commands) {
  const Ended help = Slicectl(command + " --help");
  EXPECT_EQ(help.code, 0) << command;
  EXPECT_THAT(help.text, HasSubstr("Examples:\n  slicectl ")) << command;
  ++commands;
  for (const auto& name : Subcommands(help.text)) {
    std::string deeper = command;
    if (!deeper.empty()) deeper += ' ';
    ExpectExamples(deeper.append(name), commands);
  }
}

TEST(Slicectl, EveryCommandHasExamples) {
  int commands = 0;
  ExpectExamples("", commands);
  EXPECT_GE(commands, 50);
}

TEST(Slicectl, WrongUseIsOneLineThatSaysWhereToRead) {
  EXPECT_EQ(Slicectl("gateway create").text,
            "slicectl: NAME is required; 'slicectl gateway create --help' shows how\n");
  EXPECT_THAT(Slicectl("slice list -o colour").text,
              AllOf(HasSubstr("colour"), HasSubstr("'slicectl slice list --help'")));
}

TEST(Slicectl, ADryRunNeedsNoCluster) {
  const Ended printed =
      Slicectl("slice create --node gw-1 north --node gw-2 --dry-run --kubeconfig /nowhere -o yaml");
  EXPECT_EQ(printed.code, 0);
  EXPECT_EQ(
      printed.text,
      "apiVersion: slicelet.io/v1alpha1\nkind: IotSlice\nmetadata:\n  name: north\n  namespace: slicelet\n"
      "spec:\n  edge:\n    nodes:\n      - gw-1\n      - gw-2\n");
}

TEST(Slicectl, CompletesWithoutACluster) {
  EXPECT_EQ(Slicectl("__complete gat").text, "gateway\n");
  EXPECT_EQ(Slicectl("__complete cluster create --role ''").text, "cloud\nedge\n");
  EXPECT_EQ(Slicectl("__complete --kubeconfig /nowhere slice get ''").text, "");
  EXPECT_EQ(Slicectl("__complete").text, "");
}

TEST(Slicectl, WrongUseAndFailureHaveTheirOwnExitCodes) {
  EXPECT_EQ(Slicectl("").code, 2);
  EXPECT_EQ(Slicectl("nosuch").code, 2);
  EXPECT_EQ(Slicectl("get pods -o colour").code, 2);
  const Ended unconfigured = Slicectl("host list");
  EXPECT_EQ(unconfigured.code, 1);
  EXPECT_THAT(unconfigured.text, HasSubstr("/nowhere.yaml"));
}

}  // namespace
}  // namespace slicelet::cli
