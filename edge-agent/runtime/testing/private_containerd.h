#pragma once

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace slicelet::agent {

/// A real containerd for one test program, by tests/integration/containerd.sh. Needs root.
class PrivateContainerd {
 public:
  PrivateContainerd() {
    std::string pattern = "/tmp/slicelet-cri-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory in /tmp");
    // "down" removes it, after what is mounted below it.
    directory_ = pattern;
    Run("up");
  }
  ~PrivateContainerd() { (void)std::system((Script("down") + " >&2").c_str()); }
  PrivateContainerd(const PrivateContainerd&) = delete;
  PrivateContainerd& operator=(const PrivateContainerd&) = delete;

  /// kill, start ...
  void Run(const std::string& verb) {
    if (std::system((Script(verb) + " >&2").c_str()) != 0)
      throw std::runtime_error("containerd.sh " + verb + " failed");
  }

  [[nodiscard]] static bool Possible() { return geteuid() == 0; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string socket() const { return directory_ + "/containerd.sock"; }

 private:
  [[nodiscard]] std::string Script(const std::string& verb) const {
    return std::string(SLICELET_SOURCE_DIR) + "/tests/integration/containerd.sh " + verb + " " + directory_;
  }

  std::string directory_;
};

}  // namespace slicelet::agent
