#include "edge-agent/edgex/device_provisioner.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/utf8.h"
#include "common/json/json.h"
#include "common/log/log.h"

namespace slicelet::agent {

namespace {

constexpr char kApi[] = "/api/v3";
constexpr int kOk = 200;
constexpr int kCreated = 201;
constexpr int kNotFound = 404;
constexpr int kConflict = 409;
/// It goes into the pod's status, of which the link takes 4 MiB for all devices together.
constexpr std::size_t kMostMessage = 1024;

/// True when `found` says all that `wanted` says. core-metadata adds fields of its own.
bool Holds(const Json& found, const Json& wanted) {
  if (wanted.is_object()) {
    if (!found.is_object()) return false;
    return std::all_of(wanted.items().begin(), wanted.items().end(), [&](const auto& entry) {
      const auto at = found.find(entry.key());
      return at != found.end() && Holds(*at, entry.value());
    });
  }
  if (wanted.is_array()) {
    return found.is_array() && found.size() == wanted.size() &&
           std::equal(found.begin(), found.end(), wanted.begin(), Holds);
  }
  return found == wanted;
}

/// The one item's verdict in the answer to a POST, PUT or PATCH, whose own status is 207 whatever happened.
int VerdictOf(int status, const Json& body) {
  if (!body.is_array() || body.empty() || !body[0].is_object()) return status;
  const auto code = body[0].find("statusCode");
  return code != body[0].end() && code->is_number_integer() ? code->get<int>() : status;
}

/// "" where there is no text.
std::string TextAt(const Json& object, const char* member) {
  if (!object.is_object()) return "";
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string MessageOf(const Json& body) {
  const Json& item = body.is_array() && !body.empty() ? body[0] : body;
  const std::string message = TextAt(item, "message");
  return message.empty() ? "no reason given" : std::string(Beginning(message, kMostMessage));
}

Json Items(const char* member, const Json& item) {
  return Json::array({Json{{"apiVersion", "v3"}, {member, item}}});
}

}  // namespace

DeviceProvisioner::DeviceProvisioner(Loop& loop, EdgexClient& client, std::function<void()> changed)
    : loop_(loop), client_(client), changed_(std::move(changed)), timer_(loop) {}

void DeviceProvisioner::SetDevices(std::vector<IotDevice> devices) {
  if (devices == devices_ && results_.size() == devices.size()) return;
  devices_ = std::move(devices);
  std::vector<v1::DeviceStatus> results;
  for (const IotDevice& device : devices_) {
    v1::DeviceStatus& result = results.emplace_back();
    result.set_name(device.name);
    result.set_reason("WaitingForCoreMetadata");
    for (const auto& before : results_) {
      if (before.name() == device.name) result = before;
    }
    if (device.error.empty()) continue;
    result.set_applied(false);
    result.set_reason("InvalidDevice");
    result.set_message(device.error);
  }
  results_ = std::move(results);
  changed_();
  Begin();
}

void DeviceProvisioner::SetEndpoint(std::optional<EdgexClient::Endpoint> endpoint) {
  if (endpoint == endpoint_) return;
  endpoint_ = std::move(endpoint);
  Begin();
}

void DeviceProvisioner::Begin() {
  ++round_;
  timer_.Cancel();
  if (!endpoint_) return;
  at_ = 0;
  all_applied_ = true;
  Next();
}

void DeviceProvisioner::Next() {
  while (at_ < devices_.size() && !devices_[at_].error.empty()) ++at_;
  made_profile_ = false;
  if (at_ == devices_.size()) {
    RemoveStrangers();
  } else {
    FindService();
  }
}

void DeviceProvisioner::FindService() {
  // Devices of an unregistered service are refused: it registers itself at its start.
  const std::string name = devices_[at_].device["serviceName"];
  Ask("GET", "/deviceservice/name/" + PercentEncode(name), Json(),
      [this, name](int status, const Json& body) {
        if (status == kOk) return FindProfile();
        if (status == kNotFound)
          return Settle("WaitingForDeviceService", "device service " + name + " has not registered yet");
        Settle("CoreMetadataError", MessageOf(body));
      });
}

void DeviceProvisioner::FindProfile() {
  const Json& profile = devices_[at_].profile;
  if (profile.is_null()) return FindDevice();
  Ask("GET", "/deviceprofile/name/" + PercentEncode(profile["name"].get<std::string>()), Json(),
      [this, &profile](int status, const Json& body) {
        const bool there = status == kOk;
        if (there && body.contains("profile") && Holds(body["profile"], profile)) return FindDevice();
        Ask(there ? "PUT" : "POST", "/deviceprofile", Items("profile", profile),
            [this](int answer, const Json& verdicts) {
              const int verdict = VerdictOf(answer, verdicts);
              made_profile_ = verdict == kCreated;
              if (verdict == kOk || verdict == kCreated || verdict == kConflict) return FindDevice();
              Fail("ProfileRefused", verdicts);
            });
      });
}

void DeviceProvisioner::FindDevice() {
  const IotDevice& wanted = devices_[at_];
  Ask("GET", "/device/name/" + PercentEncode(wanted.name), Json(),
      [this, &wanted](int status, const Json& body) {
        const bool there = status == kOk;
        if (there && body.contains("device") && Holds(body["device"], wanted.device)) return Settle("", "");
        Ask(there ? "PATCH" : "POST", "/device", Items("device", wanted.device),
            [this](int answer, const Json& verdicts) {
              const int verdict = VerdictOf(answer, verdicts);
              if (verdict == kOk || verdict == kCreated) return Settle("", "");
              Fail("DeviceRefused", verdicts);
            });
      });
}

void DeviceProvisioner::Fail(const std::string& reason, const Json& verdict) {
  const std::string message = MessageOf(verdict);
  if (!made_profile_) return Settle(reason, message);
  Ask("DELETE", "/deviceprofile/name/" + PercentEncode(devices_[at_].profile["name"].get<std::string>()),
      Json(), [this, reason, message](int, const Json&) { Settle(reason, message); });
}

void DeviceProvisioner::Settle(const std::string& reason, const std::string& message) {
  v1::DeviceStatus result;
  result.set_name(devices_[at_].name);
  result.set_applied(reason.empty());
  result.set_reason(reason);
  result.set_message(message);
  all_applied_ = all_applied_ && result.applied();
  const bool changed = result.SerializeAsString() != results_[at_].SerializeAsString();
  if (changed) {
    LogInfo(result.applied() ? "IoT device applied" : "IoT device not applied",
            {{"device", result.name()}, {"reason", reason}, {"message", message}});
    results_[at_] = result;
  }
  ++at_;
  const std::uint64_t round = round_;
  if (changed) changed_();
  if (round == round_) Next();
}

void DeviceProvisioner::RemoveStrangers() {
  Ask("GET", "/device/all?limit=-1", Json(), [this](int, const Json& body) {
    std::vector<std::pair<std::string, std::string>> strangers;
    if (body.is_object() && body.contains("devices") && body["devices"].is_array()) {
      for (const Json& device : body["devices"]) {
        const auto labels = device.is_object() ? device.find("labels") : device.end();
        if (labels == device.end() || !labels->is_array() ||
            std::find(labels->begin(), labels->end(), kDeviceLabel) == labels->end())
          continue;
        const std::string name = TextAt(device, "name");
        const bool wanted = std::any_of(devices_.begin(), devices_.end(),
                                        [&](const IotDevice& known) { return known.name == name; });
        if (!wanted) strangers.emplace_back(name, TextAt(device, "profileName"));
      }
    }
    RemoveOne(std::move(strangers));
  });
}

void DeviceProvisioner::RemoveOne(std::vector<std::pair<std::string, std::string>> strangers) {
  if (strangers.empty()) return Finish();
  const auto [name, profile] = strangers.back();
  strangers.pop_back();
  Ask("DELETE", "/device/name/" + PercentEncode(name), Json(),
      [this, profile = profile, strangers](int, const Json&) {
        // Refused while another device uses it, and that is fine.
        Ask("DELETE", "/deviceprofile/name/" + PercentEncode(profile), Json(),
            [this, strangers](int, const Json&) { RemoveOne(strangers); });
      });
}

void DeviceProvisioner::Finish() {
  timer_.Set(all_applied_ ? kLookPeriod : kRetryPeriod, [this] { Begin(); });
}

void DeviceProvisioner::Ask(const std::string& method, const std::string& target, const Json& body,
                            Answered answered) {
  const auto done = [this, round = round_,
                     answered = std::move(answered)](const absl::StatusOr<EdgexClient::Answer>& answer) {
    if (round != round_) return;
    if (!answer.ok()) {
      // The others would fare no better: the whole round is tried again.
      timer_.Set(kRetryPeriod, [this] { Begin(); });
      return;
    }
    answered(answer->status, ParseJson(answer->body).value_or(Json()));
  };
  client_.Send(*endpoint_, {method, kApi + target, body.is_null() ? "" : body.dump()}, lifetime_.Guard(done));
}

}  // namespace slicelet::agent
