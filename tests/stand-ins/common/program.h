#pragma once

#include <cstdint>
#include <string>

namespace slicelet::stand_ins {

/// Ends the program with 0 on SIGTERM, at whatever it is doing, or makes it deaf to SIGTERM. A peer that goes
/// away ends nothing.
void HandleSignals(bool ignore_sigterm = false);

/// An environment variable; `otherwise` when it is unset or empty.
std::string Env(const std::string& name, const std::string& otherwise = "");
/// Ends the program with 1 where it is no number.
int IntEnv(const std::string& name, int otherwise);

/// One line on stderr, as the services log.
void Log(const std::string& level, const std::string& message);
[[noreturn]] void Die(int exit_code, const std::string& message);

std::int64_t NowNanos();

}  // namespace slicelet::stand_ins
