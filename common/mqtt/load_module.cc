#include <dlfcn.h>

#include "common/mqtt/module_dialer.h"

namespace slicelet {

absl::StatusOr<const slicelet_mqtt_module*> LoadMqttModule(const std::string& path) {
  // Its libraries stay its own: a program may hold the same ones linked statically.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return absl::FailedPreconditionError("cannot load the MQTT module " + path + ": " +
                                         (why != nullptr ? why : "unknown error"));
  }
  using Entry = const slicelet_mqtt_module* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "slicelet_mqtt_module_v1"));
  if (entry == nullptr) {
    return absl::FailedPreconditionError(path + " is not an MQTT module of slicelet");
  }
  const slicelet_mqtt_module* module = entry();
  if (module->version != SLICELET_MQTT_MODULE_VERSION) {
    return absl::FailedPreconditionError(path + " has version " + std::to_string(module->version) +
                                         ", this program needs " +
                                         std::to_string(SLICELET_MQTT_MODULE_VERSION));
  }
  return module;
}

}  // namespace slicelet
