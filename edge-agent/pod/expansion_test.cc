#include "edge-agent/pod/expansion.h"

#include <gtest/gtest.h>

#include "edge-agent/pod/environment.h"

namespace slicelet::agent {
namespace {

class ExpansionTable : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ExpansionTable, FollowsKubernetes) {
  EXPECT_EQ(Expand(GetParam().first, {{"A", "1"}, {"B", "$(A)"}, {"EMPTY", ""}}), GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(Cases, ExpansionTable,
                         ::testing::Values(std::pair{"$(A)", "1"}, std::pair{"x$(A)y$(A)", "x1y1"},
                                           std::pair{"$(B)", "$(A)"}, std::pair{"$(NONE)", "$(NONE)"},
                                           std::pair{"$$(A)", "$(A)"}, std::pair{"$$$(A)", "$1"},
                                           std::pair{"$A", "$A"}, std::pair{"$(A", "$(A"},
                                           std::pair{"$", "$"}, std::pair{"[$(EMPTY)]", "[]"},
                                           std::pair{"$()", "$()"}));

TEST(Environment, LaterDefinitionsSeeEarlierOnesAndReplaceThem) {
  v1::Workload pod;
  v1::Container container;
  const auto add = [&](const std::string& name, const std::string& value, bool expand) {
    auto& variable = *container.add_env();
    variable.set_name(name);
    variable.set_literal(value);
    variable.set_expand(expand);
  };
  add("A", "1", true);
  add("B", "$(A)-$(C)", true);
  add("C", "$(A)", false);
  add("A", "2", true);
  auto& ip = *container.add_env();
  ip.set_name("IP");
  ip.set_host_field("status.podIP");
  auto& secret = *container.add_env();
  secret.set_name("PASSWORD");
  secret.mutable_secret()->set_content_id("secret/s");
  secret.mutable_secret()->set_key("k");
  HostFacts facts;
  facts.pod_ips = {"10.0.0.7"};
  const auto content = [](const std::string&) {
    v1::FileSet set;
    auto& file = *set.add_files();
    file.set_key("k");
    file.set_data("$(A)");
    return set;
  };
  const auto environment = ResolveEnvironment(pod, container, content, facts);
  ASSERT_TRUE(environment.ok());
  EXPECT_EQ(environment->values,
            (std::map<std::string, std::string>{
                {"A", "2"}, {"B", "1-$(C)"}, {"C", "$(A)"}, {"IP", "10.0.0.7"}, {"PASSWORD", "$(A)"}}));
}

}  // namespace
}  // namespace slicelet::agent
