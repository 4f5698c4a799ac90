#include "tests/stand-ins/common/program.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace slicelet::stand_ins {
namespace {

void OnTerm(int) { _exit(0); }

}  // namespace

void HandleSignals(bool ignore_sigterm) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, ignore_sigterm ? SIG_IGN : OnTerm);
}

std::string Env(const std::string& name, const std::string& otherwise) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr && *value != '\0' ? value : otherwise;
}

int IntEnv(const std::string& name, int otherwise) {
  const std::string text = Env(name);
  if (text.empty()) return otherwise;
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (*end != '\0') Die(1, name + "='" + text + "' is no number");
  return static_cast<int>(value);
}

void Log(const std::string& level, const std::string& message) {
  const std::string line = "level=" + level + " msg=\"" + message + "\"\n";
  if (write(2, line.data(), line.size()) < 0) return;
}

void Die(int exit_code, const std::string& message) {
  Log("ERROR", message);
  _exit(exit_code);
}

std::int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace slicelet::stand_ins
