#include "cli/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::cli {
namespace {

const WallTime kNow = *ParseTime("2026-11-21T12:00:00Z");

TEST(Table, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"NAME", "READY"}, {"a-long-name", "1/1"}}),
            "NAME          READY\na-long-name   1/1\n");
}

TEST(Table, ShowsAgesAsKubectlDoes) {
  EXPECT_EQ(FormatAge("2026-11-21T11:59:55Z", kNow), "5s");
  EXPECT_EQ(FormatAge("2026-11-21T11:56:48Z", kNow), "3m12s");
  EXPECT_EQ(FormatAge("2026-11-21T07:58:00Z", kNow), "4h2m");
  EXPECT_EQ(FormatAge("2026-11-09T12:00:00Z", kNow), "12d");
  EXPECT_EQ(FormatAge("yesterday", kNow), "<unknown>");
}

TEST(Table, ShowsPods) {
  const auto pod = nlohmann::json::parse(
      R"({"metadata":{"name":"p","namespace":"n","creationTimestamp":"2026-11-21T11:59:00Z"},
          "spec":{"nodeName":"gw-1","containers":[{},{}]},
          "status":{"phase":"Running","podIP":"198.18.0.7","containerStatuses":[
            {"ready":true,"restartCount":2,"state":{"running":{}}},{"ready":false,"restartCount":1}]}})");
  EXPECT_EQ(PodRows({pod}, false, false, kNow)[1], (Row{"p", "1/2", "Running", "3", "60s"}));
  EXPECT_EQ(PodRows({pod}, true, true, kNow),
            (std::vector<Row>{{"NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"},
                              {"n", "p", "1/2", "Running", "3", "60s", "198.18.0.7", "gw-1"}}));
}

TEST(Table, ShowsNodesWithTheirRoles) {
  const auto node = nlohmann::json::parse(
      R"({"metadata":{"name":"gw-1","creationTimestamp":"2026-11-21T11:59:00Z",
                      "labels":{"node-role.kubernetes.io/edge":"","kubernetes.io/role":"agent","type":"virtual-kubelet"}},
          "spec":{"unschedulable":true},
          "status":{"nodeInfo":{"kubeletVersion":"v1.36.0"},
                    "conditions":[{"type":"Ready","status":"True"},{"type":"slicelet.io/LinkReady","status":"False"}]}})");
  EXPECT_EQ(NodeRows({node}, false, kNow),
            (std::vector<Row>{{"NAME", "STATUS", "ROLES", "LINK", "AGE", "VERSION"},
                              {"gw-1", "Ready,SchedulingDisabled", "agent,edge", "away", "60s", "v1.36.0"}}));
  EXPECT_EQ(NodeRows({nlohmann::json::object()}, false, kNow)[1][2], "<none>");
}

TEST(Table, DoesNotCallALinkAwayOfWhichNobodyKnows) {
  const auto link = [](const nlohmann::json& conditions) {
    return NodeRows({{{"status", {{"conditions", conditions}}}}}, false, kNow)[1][3];
  };
  const auto ready = [](const char* status) {
    return nlohmann::json::array({{{"type", "slicelet.io/LinkReady"}, {"status", status}}});
  };
  EXPECT_EQ(link(ready("True")), "up");
  EXPECT_EQ(link(ready("False")), "away");
  EXPECT_EQ(link(ready("Unknown")), "unknown");
  EXPECT_EQ(link(nlohmann::json::array()), "unknown");
}

TEST(Table, ObeysNobody) {
  EXPECT_EQ(Printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(Printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\x9b"
            "2J");
  EXPECT_EQ(Printable("K\xc3\xbc"
                      "che \xe2\x9c\x93"),
            "K\xc3\xbc"
            "che \xe2\x9c\x93");
  EXPECT_EQ(FormatTable({{"NAME", "WHY"},
                         {"K\xc3\xbc"
                          "che",
                          "two\nlines"}}),
            "NAME    WHY\nK\xc3\xbc"
            "che   two\\nlines\n");
}

}  // namespace
}  // namespace slicelet::cli
