#include "cli/explain.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slicelet::cli {
namespace {

v1::ExplainPodReply Reply() {
  v1::ExplainPodReply reply;
  reply.set_node("fleet");
  reply.set_placement("traffic-most");
  reply.set_hosts(1);
  reply.set_condition("tags.site = 'north'");
  reply.set_cpu_milli(100);
  reply.set_memory_bytes(std::int64_t{64} << 20);
  auto& chosen = *reply.add_entries();
  chosen.set_host("gw-1");
  chosen.set_chosen(true);
  chosen.set_matched(true);
  chosen.set_free_cpu_milli(3'900);
  chosen.set_free_memory_bytes(std::int64_t{960} << 20);
  chosen.set_max_replicas(15);
  chosen.set_receive_rate(1'234'567);
  auto& away = *reply.add_entries();
  away.set_host("gw-2");
  away.set_reason("condition not met: \x1b[31m");
  return reply;
}

TEST(Explanation, IsATableWithWhatIsKnownOfEachHost) {
  EXPECT_EQ(ExplanationTable(Reply()),
            "node fleet, placement traffic-most, 1 host, condition tags.site = 'north'; counts as 100m CPU "
            "and 64Mi "
            "memory\n\n"
            "HOST   CHOSEN   MATCHED   FREE CPU   FREE MEMORY   ROOM FOR   TRAFFIC   WHY NOT\n"
            "gw-1   yes      yes       3900m      960Mi         15         1.2MB/s   \n"
            "gw-2   no       no        -          -             -          -         condition not met: "
            "\\x1b[31m\n");
}

TEST(Explanation, IsJsonForPrograms) {
  const auto json = nlohmann::json::parse(ExplanationJson(Reply()));
  EXPECT_EQ(json["hosts"], 1);
  EXPECT_EQ(json["entries"][0]["receiveRate"], 1'234'567);
  EXPECT_TRUE(json["entries"][1]["freeCpuMilli"].is_null()) << "what is not known is not 0";
}

}  // namespace
}  // namespace slicelet::cli
