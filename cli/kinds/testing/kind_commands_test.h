#pragma once

#include <string>
#include <vector>

#include "cli/kinds/commands.h"
#include "cli/kube/testing/memory_cluster_test.h"
#include "common/base/testing/fake_file_system.h"

namespace slicelet::cli {

/// The commands on slicelet's kinds, with what they print and say.
class KindCommandsTest : public MemoryClusterTest {
 protected:
  /// The object, null when there is none.
  Json Is(const kube::Resource& kind, const std::string& name, const std::string& ns = "north") {
    const auto object = server.cluster().Peek(kind, ns, name);
    return object == nullptr ? Json() : *object;
  }

  FakeFileSystem files;
  std::string out;
  std::vector<std::string> said;
  KindCommands commands{cluster,
                        files,
                        clock,
                        {.hub_ns = "slicelet", .context_ns = "elsewhere"},
                        [this](const std::string& text) { out += text; },
                        [this](const std::string& line) { said.push_back(line); }};
};

}  // namespace slicelet::cli
