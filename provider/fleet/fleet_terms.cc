#include "provider/fleet/fleet_terms.h"

#include <algorithm>
#include <charconv>

#include "common/base/shown_text.h"

namespace slicelet::provider {
namespace {

constexpr char kCondition[] = "slicelet.io/target-condition";
constexpr char kPlacement[] = "slicelet.io/placement";
constexpr char kHosts[] = "slicelet.io/hosts";
constexpr char kMinReady[] = "slicelet.io/min-ready";
constexpr char kLayered[] = "slicelet.io/layered";
constexpr char kLogs[] = "slicelet.io/logs";
// Of the Azure IoT Edge connector.
constexpr char kAzure[] = "isEdgeDeployment";
constexpr char kAzureCondition[] = "targetCondition";
constexpr char kAzurePriority[] = "priority";
constexpr char kAzureLogging[] = "loggingOptions";
constexpr std::int32_t kAzureDefaultPriority = 10;

std::optional<std::int32_t> WholeNumber(const std::string& text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Reader {
 public:
  Reader(const std::map<std::string, std::string>& annotations, FleetTerms& terms)
      : annotations_(annotations), terms_(terms) {}

  std::vector<AnnotationError> Read() {
    for (const std::string& key : FleetAnnotationKeys()) {
      if (const std::string* value = Find(key)) terms_.source[key] = *value;
    }
    Flag(kAzure, terms_.azure);
    if (terms_.azure) ReadAzure();
    if (const std::string* text = Find(kCondition)) {
      if (terms_.azure)
        Wrong(kCondition, *text, "and isEdgeDeployment is \"true\": use targetCondition, or leave that out");
      else if (text->find_first_not_of(" \t\r\n") != std::string::npos)
        ReadCondition(kCondition, *text);
    }
    Flag(kLayered, terms_.layered);
    ReadPlacement();
    ReadMinReady();
    ReadLogs();
    return std::move(errors_);
  }

 private:
  [[nodiscard]] const std::string* Find(const std::string& key) const {
    const auto it = annotations_.find(key);
    return it == annotations_.end() ? nullptr : &it->second;
  }
  void Wrong(const std::string& key, const std::string& value, const std::string& why) {
    errors_.push_back({key, "is \"" + ShownText(value) + "\", " + why});
  }

  void Flag(const std::string& key, bool& flag) {
    const std::string* text = Find(key);
    if (text == nullptr) return;
    if (*text == "true" || *text == "false")
      flag = *text == "true";
    else
      Wrong(key, *text, "should be \"true\" or \"false\"");
  }

  void ReadCondition(const std::string& key, const std::string& text) {
    auto condition = TargetCondition::Parse(text);
    if (condition.ok())
      terms_.condition = *std::move(condition);
    else
      Wrong(key, text, Message(condition.status()));
  }

  void ReadAzure() {
    // The connector's pods were whole deployments: the one of highest priority has the device.
    terms_.layered = false;
    terms_.condition = TargetCondition();
    if (const std::string* text = Find(kAzureCondition))
      ReadCondition(kAzureCondition, *text);
    else
      errors_.push_back({kAzureCondition, "is required where isEdgeDeployment is \"true\""});
    terms_.priority = kAzureDefaultPriority;
    const std::string* text = Find(kAzurePriority);
    if (text == nullptr) return;
    const auto priority = WholeNumber(*text);
    if (priority)
      terms_.priority = *priority;
    else
      Wrong(kAzurePriority, *text, "should be a whole number of 32 bits");
  }

  void ReadPlacement() {
    const std::string* text = Find(kPlacement);
    if (text == nullptr || *text == "all") {
      terms_.placement = FleetTerms::Placement::kAll;
    } else if (*text == "worst-fit") {
      terms_.placement = FleetTerms::Placement::kWorstFit;
    } else if (*text == "best-fit") {
      terms_.placement = FleetTerms::Placement::kBestFit;
    } else if (*text == "traffic-most" || *text == "most-traffic" || *text == "most_traffic") {
      // What was written for the orchestrator knows it by two other names.
      terms_.placement = FleetTerms::Placement::kTrafficMost;
    } else {
      Wrong(kPlacement, *text, "should be all, worst-fit, best-fit or traffic-most");
    }
    const std::string* hosts = Find(kHosts);
    if (hosts == nullptr) return;
    const auto number = WholeNumber(*hosts);
    if (!number || *number < 1 || *number > FleetTerms::kMaxHosts)
      Wrong(kHosts, *hosts, "should be a whole number from 1 to " + std::to_string(FleetTerms::kMaxHosts));
    else if (text == nullptr || *text == "all")
      Wrong(kHosts, *hosts, "and needs slicelet.io/placement to be worst-fit, best-fit or traffic-most");
    else
      terms_.hosts = *number;
  }

  void ReadMinReady() {
    const std::string* text = Find(kMinReady);
    if (text == nullptr) return;
    const bool percent = text->ends_with("%");
    const auto number = WholeNumber(percent ? text->substr(0, text->size() - 1) : *text);
    const int highest = percent ? 100 : FleetTerms::kMaxHosts;
    if (!number || *number < 1 || *number > highest) {
      Wrong(kMinReady, *text,
            "should be a whole number from 1, or a percentage from 1% to 100% of the targeted hosts");
    } else if (percent) {
      terms_.min_ready.percent = *number;
    } else {
      terms_.min_ready.number = *number;
    }
  }

  void ReadLogs() {
    const std::string* text = Find(kLogs);
    if (text == nullptr || *text == "one") return;
    if (*text == "all")
      terms_.all_logs = true;
    else
      Wrong(kLogs, *text, "should be one or all");
  }

  const std::map<std::string, std::string>& annotations_;
  FleetTerms& terms_;
  std::vector<AnnotationError> errors_;
};

}  // namespace

bool MinReady::Met(std::size_t ready, std::size_t reachable, std::size_t targeted) const {
  std::size_t wanted = reachable;
  if (number) wanted = static_cast<std::size_t>(*number);
  if (percent) wanted = (targeted * static_cast<std::size_t>(*percent) + 99) / 100;
  return ready >= std::max<std::size_t>(wanted, 1);
}

const char* NameOf(FleetTerms::Placement placement) {
  switch (placement) {
    case FleetTerms::Placement::kAll:
      return "all";
    case FleetTerms::Placement::kWorstFit:
      return "worst-fit";
    case FleetTerms::Placement::kBestFit:
      return "best-fit";
    case FleetTerms::Placement::kTrafficMost:
      return "traffic-most";
  }
  return "";
}

const std::vector<std::string>& FleetAnnotationKeys() {
  static const std::vector<std::string> kKeys = {kCondition,     kPlacement,   kHosts, kMinReady,
                                                 kLayered,       kLogs,        kAzure, kAzureCondition,
                                                 kAzurePriority, kAzureLogging};
  return kKeys;
}

std::vector<AnnotationError> ReadFleetTerms(const std::map<std::string, std::string>& annotations,
                                            FleetTerms& terms) {
  return Reader(annotations, terms).Read();
}

}  // namespace slicelet::provider
