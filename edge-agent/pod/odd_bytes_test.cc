// What a container says with bytes that are no text: neither a message to the hub nor a record can hold them.
#include <gtest/gtest.h>

#include "edge-agent/pod/testing/pod_host.h"

namespace slicelet::agent {
namespace {

using std::chrono::seconds;

class OddBytesTest : public ::testing::Test {
 protected:
  /// The message of pod "u1", whose container has ended with a failure, once hub and store can read it.
  std::string LastWords() {
    v1::Workload pod = host_.Pod("u1");
    pod.set_restart_policy(v1::RESTART_POLICY_NEVER);
    pod.mutable_containers(0)->set_termination_message_fallback_to_logs(true);
    host_.Apply({pod});
    EXPECT_TRUE(host_.RunUntil([&] { return host_.IsReady("u1"); }));
    for (const auto& [path, text] : written_) host_.files.Put(path, {.data = text});
    host_.runtime_host.Kill(host_.runtime_host.Running("u1").at("main"), 3);
    EXPECT_TRUE(host_.RunUntil([&] { return host_.Status("u1").phase() == v1::PHASE_FAILED; }));
    v1::WorkloadStatus status;
    EXPECT_TRUE(status.ParseFromString(host_.Status("u1").SerializeAsString()));
    v1::PodRecord record;
    EXPECT_TRUE(record.ParseFromString(host_.store.records().at(PodUid("u1")).SerializeAsString()));
    return status.containers(0).state().terminated().message();
  }

  PodHost host_;
  std::map<std::string, std::string> written_;
};

TEST_F(OddBytesTest, OfATerminationMessageAreReplaced) {
  written_["/agent/pods/u1/run/termination/main/0"] = "fatal: \xff\xfe";
  EXPECT_EQ(LastWords(), "fatal: ��");
}

TEST_F(OddBytesTest, AreWhatIsLeftOfACharacterWhereALongMessageIsCut) {
  std::string& text = written_["/agent/pods/u1/run/termination/main/0"];
  for (int i = 0; i < 2'000; ++i) text += "€";
  const std::string words = LastWords();
  EXPECT_EQ(words.substr(0, 6), "�€");
  EXPECT_EQ(words.size(), 4095U) << "of 4096, for whole characters";
}

TEST_F(OddBytesTest, OfALogThatStandsForAMessageAreReplaced) {
  written_["/logs/ns_pod-u1_u1/main/0.log"] = "2026-11-21T06:31:09.037780296Z stderr F half \xe2\x82\n";
  EXPECT_EQ(LastWords(), "half ��\n");
}

TEST_F(OddBytesTest, OfACheckAreReplacedInItsEvent) {
  host_.runtime_host.images["app"].exec = [](const std::vector<std::string>&) {
    return ExecResult{.exit_code = 1, .out = "no \xff"};
  };
  std::string unhealthy;
  host_.agent->OnStatusChanged([&](const std::vector<PodUid>&, bool) {
    v1::WorkloadStatus status;
    ASSERT_TRUE(status.ParseFromString(host_.Status("u1").SerializeAsString()));
    for (const auto& event : status.events())
      if (event.reason() == "Unhealthy") unhealthy = event.message();
  });
  v1::Workload pod = host_.Pod("u1");
  pod.mutable_containers(0)->mutable_readiness_probe()->mutable_handler()->mutable_exec()->add_command(
      "/check");
  host_.Apply({pod});
  EXPECT_TRUE(host_.RunUntil([&] { return unhealthy == "Readiness probe failed: no �"; }, seconds(20)))
      << unhealthy;
}

}  // namespace
}  // namespace slicelet::agent
