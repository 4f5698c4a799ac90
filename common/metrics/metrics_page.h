#pragma once

#include <string>
#include <utility>
#include <vector>

namespace slicelet {

/// What a program shows a Prometheus server at one moment. The values are read from the program's own state
/// when they are asked for, on its loop: nothing is counted twice and nothing needs a lock.
///
/// Names follow Prometheus' conventions: slicelet_PROGRAM_WHAT_UNIT, counters end in _total.
class MetricsPage {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  /// A value that goes up and down. Calls of one name that differ in labels make one family; the first call's
  /// help counts.
  void Gauge(const std::string& name, const std::string& help, double value, Labels labels = {});
  /// A value that only grows until the program restarts.
  void Counter(const std::string& name, const std::string& help, double value, Labels labels = {});

  /// The page in Prometheus' text format 0.0.4.
  [[nodiscard]] std::string Text() const;

 private:
  struct Sample {
    double value = 0;
    Labels labels;
  };
  struct Family {
    std::string name;
    std::string help;
    bool counter = false;
    std::vector<Sample> samples;
  };
  void Add(const std::string& name, const std::string& help, bool counter, double value, Labels labels);

  std::vector<Family> families_;
};

}  // namespace slicelet
