#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "common/base/testing/loopback_port.h"
#include "common/base/testing/temporary_directory.h"

extern char** environ;

namespace slicelet {

/// A real mosquitto on a free port of the loopback, in a directory of its own. Forgets everything when it is
/// restarted, unless its configuration says otherwise.
class MosquittoProcess {
 public:
  MosquittoProcess() {
    // mosquitto gives up its rights when it is started by root.
    std::filesystem::permissions(directory(), std::filesystem::perms(0755));
    port_ = FreeLoopbackPort();
  }
  ~MosquittoProcess() { Kill(); }
  MosquittoProcess(const MosquittoProcess&) = delete;
  MosquittoProcess& operator=(const MosquittoProcess&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& directory() const { return directory_.path(); }
  /// "mosquitto.conf" is what it is configured with.
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.File(name)) << text;
  }

  /// Returns once it accepts connections.
  void Start() {
    const std::string configuration = directory_.File("mosquitto.conf");
    const char* arguments[] = {"mosquitto", "-c", configuration.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const std::string log = directory_.File("log");
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const char* path = access("/usr/sbin/mosquitto", X_OK) == 0 ? "/usr/sbin/mosquitto" : "mosquitto";
    if (posix_spawnp(&pid_, path, &actions, nullptr, const_cast<char**>(arguments), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    // Only one that does not start is waited for that long.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!LoopbackPortAccepts(port_) && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  void Kill() { End(SIGKILL); }
  /// It takes what the kernel's buffers hold, and neither reads nor answers.
  void Freeze() { kill(pid_, SIGSTOP); }
  /// It reads its access list and its TLS files again. (At SIGHUP 2.0.11 may crash.)
  void Restart() {
    Kill();
    Start();
  }
  /// In good order: what its configuration says it keeps is kept.
  void Stop() { End(SIGTERM); }

 private:
  void End(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  TemporaryDirectory directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

/// One without TLS that takes whoever comes.
class OpenMosquitto : public MosquittoProcess {
 public:
  /// `more`: lines for its configuration. One that `remembers` has its sessions and messages again after
  /// `Stop` and `Start`.
  explicit OpenMosquitto(const std::string& more = "", bool remembers = false) {
    std::string configuration =
        "listener " + std::to_string(port()) + " 127.0.0.1\nallow_anonymous true\n" + more;
    if (remembers)
      configuration += "user root\npersistence true\npersistence_location " + directory() + "/\n";
    Write("mosquitto.conf", configuration);
    Start();
  }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port()); }
};

}  // namespace slicelet
