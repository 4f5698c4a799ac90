#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
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

TEST(Slicectl, AHostIsAddedToTheHubsNamespace) {
  const std::string directory = testing::TempDir() + "slicectl-" + std::to_string(getpid());
  const std::string dir = " --dir " + directory;
  ASSERT_EQ(Slicectl("hub init --name h --agent-endpoint h:7443 --kubeconfig /k" + dir).code, 0);
  EXPECT_THAT(Slicectl("host add gw-1" + dir).text, HasSubstr("namespace: slicelet"));
  EXPECT_THAT(Slicectl("host add gw-2 --hub-namespace plant" + dir).text, HasSubstr("namespace: plant"));
  EXPECT_THAT(Slicectl("host add gw-3 --hub-namespace plant -n other" + dir).text,
              HasSubstr("namespace: other"));
  EXPECT_THAT(Slicectl("hub secret --hub-namespace plant" + dir).text, HasSubstr(R"("namespace": "plant")"));
  std::filesystem::remove_all(directory);
}

TEST(Slicectl, AHubElsewhereIsAskedAtTheEndpointThatWasNamed) {
  const std::string directory = testing::TempDir() + "slicectl-far-" + std::to_string(getpid());
  const std::string init = "hub init --name h --agent-endpoint h:7443 --kubeconfig /k --dir " + directory;
  const Ended wrong = Slicectl(init + " --provider-endpoint localhost");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.text, "slicectl: the provider's endpoint must be HOST:PORT, got \"localhost\"\n");
  EXPECT_FALSE(std::filesystem::exists(directory));
  // Nothing listens at port 1.
  ASSERT_EQ(Slicectl(init + " --provider-endpoint 127.0.0.1:1").code, 0);
  EXPECT_THAT(Slicectl("--config " + directory + "/operator.yaml host list").text,
              HasSubstr("cannot reach the provider at 127.0.0.1:1: "));
  std::filesystem::remove_all(directory);
}

TEST(Slicectl, RenewsCertificatesAndSaysWhatComesNext) {
  const std::string directory = testing::TempDir() + "slicectl-renew-" + std::to_string(getpid());
  const std::string dir = " --dir " + directory;
  const Ended none = Slicectl("hub renew" + dir);
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.text, HasSubstr(directory + " holds no hub"));
  ASSERT_EQ(
      Slicectl("hub init --name h --agent-endpoint h:7443 --mqtt-endpoint m:8883 --kubeconfig /k" + dir).code,
      0);
  ASSERT_EQ(Slicectl("host add gw-1" + dir).code, 0);
  EXPECT_THAT(Slicectl("host add gw-1" + dir).text, HasSubstr("With --renew it gets a new certificate"));
  const Ended host = Slicectl("host add gw-1 --renew" + dir);
  EXPECT_EQ(host.code, 0);
  EXPECT_THAT(host.text, AllOf(HasSubstr("renewed the certificate of host gw-1 until 20"),
                               HasSubstr("copy " + directory +
                                         "/hosts/gw-1.slicelet to gw-1 as /etc/slicelet/host.json"),
                               HasSubstr("systemctl restart slicelet-agent")));
  EXPECT_THAT(host.text, testing::Not(HasSubstr("kind: EdgeHost")))
      << "it would undo what is said of the host";
  for (int again = 0; again < 2; ++again) {
    const Ended hub = Slicectl("hub renew" + dir);
    EXPECT_EQ(hub.code, 0);
    EXPECT_THAT(hub.text, AllOf(HasSubstr("  mqtt.crt\n  mosquitto/mqtt-broker.crt\nnext:\n"),
                                HasSubstr("mqtt-broker.crt where it reads another copy, and restart it"),
                                HasSubstr("restart nothing")));
  }
  std::filesystem::rename(directory + "/mosquitto", directory + "-mosquitto");
  EXPECT_THAT(Slicectl("hub renew" + dir).text, HasSubstr("not renewed (copy them here, renew, and copy them "
                                                          "back):\n  mosquitto/mqtt-broker.crt\n"));
  std::filesystem::remove(directory + "/ca.key");
  const Ended keyless = Slicectl("hub renew" + dir);
  EXPECT_EQ(keyless.code, 1);
  EXPECT_THAT(keyless.text, HasSubstr("if it is kept elsewhere, copy it here"));
  for (const char* made : {"", "-mosquitto"}) std::filesystem::remove_all(directory + made);
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
