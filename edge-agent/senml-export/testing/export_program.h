#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace slicelet::senml {

/// The program itself, SENML_EXPORT, with an environment of its own.
class ExportProgram {
 public:
  explicit ExportProgram(std::vector<std::string> environment) : environment_(std::move(environment)) {}
  ~ExportProgram() { End(SIGKILL); }
  ExportProgram(const ExportProgram&) = delete;
  ExportProgram& operator=(const ExportProgram&) = delete;

  void Start(const std::string& log) {
    std::vector<char*> environment;
    environment.reserve(environment_.size() + 1);
    for (auto& variable : environment_) environment.push_back(variable.data());
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
    const char* arguments[] = {SENML_EXPORT, nullptr};
    ASSERT_EQ(posix_spawn(&pid_, SENML_EXPORT, &actions, nullptr, const_cast<char**>(arguments),
                          environment.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
  }
  /// The exit code, or minus the signal that ended it.
  int End(int signal) {
    if (pid_ <= 0) return 0;
    if (signal != 0) kill(pid_, signal);
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  std::vector<std::string> environment_;
  pid_t pid_ = -1;
};

}  // namespace slicelet::senml
