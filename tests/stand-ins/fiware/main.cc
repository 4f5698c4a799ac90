// A FIWARE context stack in miniature: what its containers run where the published images can not be pulled.
//
//   orion [OPTION]...            by the name the program is called with, or
//   fiware orion [OPTION]...     by its first argument
//
// Names are those of the published images. They take the options, environment, ports, paths and headers that
// samples/fiware uses. What is asked of them is tests/e2e/test_fiware_stand_ins.py.
#include <string>

#include "tests/stand-ins/fiware/service.h"
#include "tests/stand-ins/fiware/services.h"

namespace slicelet::fiware {

void RunGrafana(int argc, char** argv) {
  Options(argc, argv, {}, {}, 1);
  Serve(stand_ins::IntEnv("GF_SERVER_HTTP_PORT", 3000),
        [](const HttpRequest& request) -> std::optional<HttpResponse> {
          if (request.path != "/api/health") return std::nullopt;
          return Answer(200, {{"database", "ok"}, {"version", "12.3.0-stand-in"}});
        });
}

}  // namespace slicelet::fiware

int main(int argc, char** argv) {
  using namespace slicelet::fiware;
  slicelet::stand_ins::HandleSignals();
  std::string name = argv[0];
  name.erase(0, name.rfind('/') + 1);
  int first = 1;
  if (name == "fiware" && argc > 1) name = argv[first++];
  static const struct {
    const char* name;
    void (*run)(int, char**);
  } kServices[] = {{"mongo", RunMongo},
                   {"crate", RunCrate},
                   {"orion", RunOrion},
                   {"iotagent-ul", RunUltraLightAgent},
                   {"quantumleap", RunQuantumLeap},
                   {"grafana", RunGrafana}};
  for (const auto& service : kServices) {
    if (name == service.name) service.run(argc - first, argv + first);
  }
  Die(2, "no service '" + name + "'");
}
