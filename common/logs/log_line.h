#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"
#include "slicelet/v1/stream.pb.h"

namespace slicelet {

/// One line of a CRI log file: "RFC3339Nano stdout|stderr P|F text". Views into the line that was parsed.
struct LogLine {
  std::string_view timestamp;
  std::string_view stream;
  /// P: the text goes on in the next line.
  bool partial = false;
  std::string_view text;
};

/// Without its line feed. nullopt for what is not such a line.
std::optional<LogLine> ParseLogLine(std::string_view line);

/// Turns lines of log files into what `kubectl logs` shows, by PodLogOptions: partial lines joined,
/// `sinceTime`, `timestamps` and `limitBytes` applied. `tailLines` is the reader's, which knows the files.
class LogFormatter {
 public:
  /// `now` is what sinceSeconds counts from.
  LogFormatter(const v1::LogOptions& options, WallTime now);

  /// Appends what `line` (without its line feed) shows to `out`. A line that is not a log line shows nothing.
  void Add(std::string_view line, std::string& out);
  /// The byte limit is reached: nothing more will be shown.
  [[nodiscard]] bool full() const { return left_ && *left_ == 0; }

 private:
  void Append(std::string_view text, std::string& out);

  const bool timestamps_;
  std::optional<WallTime> since_;
  std::optional<std::uint64_t> left_;
  bool in_line_ = false;
};

}  // namespace slicelet
