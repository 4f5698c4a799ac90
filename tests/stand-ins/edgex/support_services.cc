// support-notifications and support-scheduler: what a gateway sees of them is that they start, and when.
#include "tests/stand-ins/edgex/bus.h"
#include "tests/stand-ins/edgex/database.h"
#include "tests/stand-ins/edgex/service.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

[[noreturn]] void Run(const char* key, int port, const char* schema, int argc, char** argv) {
  Service service(key, port, argc, argv);
  const Database database(service, schema);
  Bus::OfService(service);
  service.Serve();
}

}  // namespace

void RunSupportNotifications(int argc, char** argv) {
  Run("support-notifications", 59860, "CREATE SCHEMA IF NOT EXISTS support_notifications", argc, argv);
}

void RunSupportScheduler(int argc, char** argv) {
  Run("support-scheduler", 59863, "CREATE SCHEMA IF NOT EXISTS support_scheduler", argc, argv);
}

}  // namespace slicelet::edgex
