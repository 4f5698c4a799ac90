#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/service.h"

namespace slicelet::edgex {

/// What all device services have in common: their entry in core-metadata, their devices, and events on the
/// bus.
class DeviceService {
 public:
  /// The text of a resource's value, as events hold it; throws std::runtime_error when it can not be had.
  using Read = std::function<std::string(const nlohmann::json& device, const nlohmann::json& resource)>;

  /// Waits for the bus and for core-metadata, and ends the program with 1 and 2 without them.
  explicit DeviceService(const Service& service);

  /// Adds one item to core-metadata; that it is there already is as good.
  void Post(const std::string& path, const std::string& member, const nlohmann::json& item);

  /// Device and profile; nullopt when core-metadata does not have the device, or it is another service's.
  std::optional<std::pair<nlohmann::json, nlohmann::json>> Find(const std::string& name);
  /// All of the service's own.
  std::vector<nlohmann::json> Devices();

  static nlohmann::json MakeEvent(const nlohmann::json& device, const nlohmann::json& resource,
                                  const std::string& value);
  void Publish(const nlohmann::json& event);

  /// Answers the get commands that come over the bus with what `read` says. Set commands are taken, and come
  /// to nothing, or refused.
  void ServeCommands(const Read& read, bool takes_set);
  /// Publishes what `read` says of every resource as often as its device's autoEvents ask for it.
  void RunAutoEvents(const Read& read);

 private:
  std::optional<nlohmann::json> Get(const std::string& path);
  void Answer(const std::string& topic, const std::string& bytes, const Read& read, bool takes_set);

  const Service& service_;
  const Endpoint metadata_;
  Bus& bus_;
};

/// The resource of a profile; null without it.
nlohmann::json ResourceOf(const nlohmann::json& profile, const std::string& name);

}  // namespace slicelet::edgex
