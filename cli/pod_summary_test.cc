#include "cli/pod_summary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::cli {
namespace {

const WallTime kNow = *ParseTime("2026-11-21T12:00:00Z");

struct Case {
  const char* name;
  /// Members of the pod, without the braces.
  const char* pod;
  const char* ready;
  const char* state;
  const char* restarts;
};

class PodSummaryOf : public testing::TestWithParam<Case> {};

TEST_P(PodSummaryOf, IsWhatKubectlShows) {
  const auto summary = SummarizePod(nlohmann::json::parse(std::string("{") + GetParam().pod + "}"), kNow);
  EXPECT_EQ(std::to_string(summary.ready) + "/" + std::to_string(summary.containers), GetParam().ready);
  EXPECT_EQ(summary.state, GetParam().state);
  EXPECT_EQ(summary.restarts, GetParam().restarts);
}

INSTANTIATE_TEST_SUITE_P(
    Pods, PodSummaryOf,
    testing::Values(
        Case{"Nothing", "", "0/0", "Pending", "0"},
        Case{"Running", R"("spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[
             {"ready":true,"state":{"running":{}}},{"ready":true,"state":{"running":{}}}]})",
             "2/2", "Running", "0"},
        Case{"Restarted", R"("spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[
             {"ready":true,"restartCount":3,"state":{"running":{}},
              "lastState":{"terminated":{"finishedAt":"2026-11-21T11:55:00Z"}}}]})",
             "1/1", "Running", "3 (5m ago)"},
        Case{"CrashLoop", R"("spec":{"containers":[{}]},"status":{"phase":"Running","containerStatuses":[
             {"restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]})",
             "0/1", "CrashLoopBackOff", "1"},
        Case{"Evicted", R"("spec":{"containers":[{}]},"status":{"phase":"Failed","reason":"Evicted"})", "0/1",
             "Evicted", "0"},
        Case{"Completed", R"("spec":{"containers":[{}]},"status":{"phase":"Succeeded","containerStatuses":[
             {"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]})",
             "0/1", "Completed", "0"},
        Case{"OneCompletedAndReady", R"("spec":{"containers":[{},{}]},"status":{"phase":"Running",
             "conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[
             {"state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]})",
             "1/2", "Running", "0"},
        Case{"OneCompletedNotReady",
             R"("spec":{"containers":[{},{}]},"status":{"phase":"Running","containerStatuses":[
             {"state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]})",
             "1/2", "NotReady", "0"},
        Case{"ExitCodeWithoutReason",
             R"("spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[
             {"state":{"terminated":{"exitCode":3}}}]})",
             "0/1", "ExitCode:3", "0"},
        Case{"Signal", R"("spec":{"containers":[{}]},"status":{"phase":"Failed","containerStatuses":[
             {"state":{"terminated":{"exitCode":137,"signal":9}}}]})",
             "0/1", "Signal:9", "0"},
        Case{"FirstReasonCounts",
             R"("spec":{"containers":[{},{}]},"status":{"phase":"Pending","containerStatuses":[
             {"state":{"waiting":{"reason":"CreateContainerConfigError"}}},
             {"state":{"waiting":{"reason":"ContainerCreating"}}}]})",
             "0/2", "CreateContainerConfigError", "0"},
        Case{"Initializing",
             R"("spec":{"containers":[{}],"initContainers":[{},{},{}]},"status":{"phase":"Pending",
             "initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}},{"state":{"running":{}}},
             {"state":{"waiting":{"reason":"PodInitializing"}}}],
             "containerStatuses":[{"state":{"waiting":{"reason":"PodInitializing"}}}]})",
             "0/1", "Init:1/3", "0"},
        Case{"InitError", R"("spec":{"containers":[{}],"initContainers":[{}]},"status":{"phase":"Pending",
             "initContainerStatuses":[{"restartCount":2,"state":{"terminated":{"exitCode":1,"reason":"Error"}}}]})",
             "0/1", "Init:Error", "2"},
        Case{"InitExitCode", R"("spec":{"containers":[{}],"initContainers":[{}]},"status":{"phase":"Pending",
             "initContainerStatuses":[{"state":{"terminated":{"exitCode":7}}}]})",
             "0/1", "Init:ExitCode:7", "0"},
        Case{"InitCrashLoop", R"("spec":{"containers":[{}],"initContainers":[{}]},"status":{"phase":"Pending",
             "initContainerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]})",
             "0/1", "Init:CrashLoopBackOff", "0"},
        Case{"InitRestartsDoNotCountLater",
             R"("spec":{"containers":[{}],"initContainers":[{}]},"status":{"phase":"Running",
             "initContainerStatuses":[{"restartCount":4,"state":{"terminated":{"exitCode":0}}}],
             "containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}}]})",
             "1/1", "Running", "1"},
        Case{"Sidecar",
             R"("spec":{"containers":[{}],"initContainers":[{"name":"s","restartPolicy":"Always"}]},
             "status":{"phase":"Running",
             "initContainerStatuses":[{"name":"s","started":true,"ready":true,"restartCount":2,"state":{"running":{}}}],
             "containerStatuses":[{"ready":true,"state":{"running":{}}}]})",
             "2/2", "Running", "2"},
        Case{"SidecarStarts",
             R"("spec":{"containers":[{}],"initContainers":[{"name":"s","restartPolicy":"Always"}]},
             "status":{"phase":"Pending","initContainerStatuses":[{"name":"s","state":{"running":{}}}]})",
             "0/2", "Init:0/1", "0"},
        Case{"Terminating", R"("metadata":{"deletionTimestamp":"x"},"spec":{"containers":[{}]},
             "status":{"phase":"Running"})",
             "0/1", "Terminating", "0"},
        Case{"DeletedButDone", R"("metadata":{"deletionTimestamp":"x"},"spec":{"containers":[{}]},
             "status":{"phase":"Succeeded"})",
             "0/1", "Succeeded", "0"},
        Case{"NodeLost", R"("metadata":{"deletionTimestamp":"x"},"spec":{"containers":[{}]},
             "status":{"phase":"Running","reason":"NodeLost"})",
             "0/1", "Unknown", "0"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace slicelet::cli
