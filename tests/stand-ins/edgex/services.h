#pragma once

namespace slicelet::edgex {

// Each runs one service until the program ends. argc and argv are the service's own flags.

[[noreturn]] void RunCoreKeeper(int argc, char** argv);
[[noreturn]] void RunBootstrapper(int argc, char** argv);
[[noreturn]] void RunCoreMetadata(int argc, char** argv);
[[noreturn]] void RunCoreData(int argc, char** argv);
[[noreturn]] void RunCoreCommand(int argc, char** argv);
[[noreturn]] void RunDeviceVirtual(int argc, char** argv);
[[noreturn]] void RunDeviceMqtt(int argc, char** argv);
[[noreturn]] void RunDeviceRest(int argc, char** argv);
[[noreturn]] void RunDeviceModbus(int argc, char** argv);
[[noreturn]] void RunSupportNotifications(int argc, char** argv);
[[noreturn]] void RunSupportScheduler(int argc, char** argv);
[[noreturn]] void RunEkuiper(int argc, char** argv);
[[noreturn]] void RunAppServiceConfigurable(int argc, char** argv);

}  // namespace slicelet::edgex
