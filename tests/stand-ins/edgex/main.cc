// EdgeX 4.0 services in miniature: what a gateway's containers run where the published images can not be
// pulled.
//
//   core-metadata [FLAG]...          by the name the program is called with, or
//   edgex core-metadata [FLAG]...    by its first argument
//
// They take the flags, environment, ports, topics and exit codes of the real ones, as far as a test or the
// demo can see them, and keep everything in PostgreSQL. What is asked of them is tests/e2e/test_stand_ins.py.
// Faults, off by default: STANDIN_START_DELAY_MS, STANDIN_CRASH_AFTER_MS, STANDIN_PING_HANGS=true,
// STANDIN_IGNORE_SIGTERM=true.
#include <string>

#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

int main(int argc, char** argv) {
  using namespace slicelet::edgex;
  std::string name = argv[0];
  name.erase(0, name.rfind('/') + 1);
  int first = 1;
  if (name == "edgex" && argc > 1) name = argv[first++];
  static const struct {
    const char* name;
    void (*run)(int, char**);
  } kServices[] = {{"core-keeper", RunCoreKeeper},
                   {"core-common-config-bootstrapper", RunBootstrapper},
                   {"core-metadata", RunCoreMetadata},
                   {"core-data", RunCoreData},
                   {"core-command", RunCoreCommand},
                   {"device-virtual", RunDeviceVirtual},
                   {"device-mqtt", RunDeviceMqtt},
                   {"device-rest", RunDeviceRest},
                   {"device-modbus", RunDeviceModbus},
                   {"support-notifications", RunSupportNotifications},
                   {"support-scheduler", RunSupportScheduler},
                   {"app-service-configurable", RunAppServiceConfigurable},
                   {"ekuiper", RunEkuiper}};
  for (const auto& service : kServices) {
    if (name == service.name) service.run(argc - first, argv + first);
  }
  Die(2, "no service '" + name + "'");
}
