#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "cli/kube/cluster.h"
#include "common/base/time.h"
#include "kube/testing/memory_kube_api.h"

namespace slicelet::cli {

/// A `Cluster` whose API server is in memory, on a loop of real time.
class MemoryClusterTest : public testing::Test {
 protected:
  /// What the hub would write to an object's status.
  void WriteStatus(const kube::Resource& kind, const std::string& ns, const std::string& name,
                   const Json& status) {
    EXPECT_TRUE(server.cluster()
                    .Patch("hub", {kind, ns, name, "status"}, kube::PatchType::kMerge, {{"status", status}})
                    .ok());
  }

  AsioLoop loop;
  SystemClock clock;
  SeededRandom random{1};
  kube::MemoryApiServer server{loop, clock, random};
  std::unique_ptr<kube::KubeApi> api = server.ApiAs("admin");
  Cluster cluster{loop, random, *api, "https://here (kubeconfig /file)"};
};

}  // namespace slicelet::cli
