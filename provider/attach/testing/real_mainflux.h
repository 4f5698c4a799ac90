#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "common/base/testing/temporary_directory.h"
#include "provider/attach/iot_server.h"

extern char** environ;

namespace slicelet::provider {

/// A real Mainflux 0.12, brought up by tests/harness/mainflux.py and ended with this object.
class RealMainflux {
 public:
  /// `root`: the repository's.
  explicit RealMainflux(const std::string& root) {
    int to_child[2];
    int from_child[2];
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to_child[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from_child[1], STDOUT_FILENO);
    const std::string command =
        "cd '" + root + "' && exec /usr/bin/python3 -m tests.harness.mainflux " + directory_.path();
    const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
    if (posix_spawn(&pid_, "/bin/sh", &actions, nullptr, const_cast<char**>(arguments), environ) != 0)
      pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(to_child[0]);
    close(from_child[1]);
    end_ = to_child[1];
    std::string line;
    char c = 0;
    while (read(from_child[0], &c, 1) == 1 && c != '\n') line += c;
    close(from_child[0]);
    about_ = nlohmann::json::parse(line, nullptr, false);
  }
  ~RealMainflux() {
    close(end_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  RealMainflux(const RealMainflux&) = delete;
  RealMainflux& operator=(const RealMainflux&) = delete;

  [[nodiscard]] bool up() const { return about_.is_object(); }
  [[nodiscard]] ServerAddress Address() const {
    return {.users = Url("users"), .things = Url("things"), .auth = Url("auth"), .access = Url("identify")};
  }
  [[nodiscard]] ServerLogin Login() const {
    return {.user = about_["email"], .password = about_["password"]};
  }
  /// SIGKILL to "auth", "things" ... Returns when that process has closed all it had.
  void Kill(const std::string& service) const {
    const auto pid = about_["pids"][service].get<pid_t>();
    kill(pid, SIGKILL);
    // Its parent is the harness, which may not have waited for it yet; a first thread ends before the others.
    const std::string process = "/proc/" + std::to_string(pid);
    const auto lives = [&process] {
      std::error_code gone;
      const std::filesystem::directory_iterator threads(process + "/task", gone);
      if (gone) return false;
      std::ifstream stat(process + "/stat");
      std::string line;
      return std::distance(begin(threads), end(threads)) > 1 ||
             (std::getline(stat, line) && line.find(") Z ") == std::string::npos);
    };
    while (lives()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  [[nodiscard]] std::string Url(const std::string& service) const {
    return "http://127.0.0.1:" + about_["ports"][service].dump();
  }

  TemporaryDirectory directory_;
  nlohmann::json about_;
  pid_t pid_ = -1;
  int end_ = -1;
};

}  // namespace slicelet::provider
