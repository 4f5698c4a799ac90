#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "common/base/file_system.h"
#include "common/log/log.h"
#include "common/loop/asio_loop.h"
#include "common/metrics/metrics_server.h"
#include "common/mqtt/module_dialer.h"
#include "common/tls/pki.h"
#include "edge-agent/senml-export/bus_reader.h"
#include "edge-agent/senml-export/exporter.h"
#include "edge-agent/senml-export/intake.h"
#include "edge-agent/senml-export/outbox.h"
#include "edge-agent/senml-export/settings.h"

namespace slicelet::senml {
namespace {

constexpr int kFailure = 1;
constexpr int kWrongUse = 2;
constexpr std::uint32_t kPrivateDirectory = 0700;
/// Nobody checks the certificate of a probe; a new one is made at every start.
constexpr Duration kCertificateLife = std::chrono::hours(24 * 3'650);

constexpr char kUsage[] =
    "usage: senml-export [--help] [--version]\n"
    "Sends the readings of an EdgeX gateway to an IoT server as SenML packs, and keeps them on disk while "
    "the\n"
    "server is away.\n\n";

/// What the probes and Prometheus see.
struct Health {
  const BusReader& bus;
  const Exporter& exporter;
  const Intake& intake;
  const Outbox& outbox;

  [[nodiscard]] absl::Status Ready() const {
    if (!bus.connected()) return absl::UnavailableError("bus: " + bus.why());
    if (!exporter.why().empty()) return absl::UnavailableError("server: " + exporter.why());
    return absl::OkStatus();
  }

  void Fill(MetricsPage& page) const {
    const auto in = intake.counts();
    const auto stored = outbox.totals();
    const auto& out = exporter.counts();
    const auto count = [&page](const char* name, const char* help, std::uint64_t value,
                               MetricsPage::Labels labels = {}) {
      page.Counter(name, help, static_cast<double>(value), std::move(labels));
    };
    count("slicelet_senml_events_total", "Events read from the bus.", in.events);
    count("slicelet_senml_records_total", "Records made of their readings.", in.records);
    count("slicelet_senml_bad_messages_total", "Messages of the bus that are no events.", in.bad_messages);
    static constexpr char kDropped[] = "slicelet_senml_readings_dropped_total";
    static constexpr char kDroppedHelp[] = "Readings that have no SenML form.";
    count(kDropped, kDroppedHelp, in.not_finite, {{"reason", "not_finite"}});
    count(kDropped, kDroppedHelp, in.null, {{"reason", "null"}});
    count(kDropped, kDroppedHelp, in.unreadable, {{"reason", "unreadable"}});
    count("slicelet_senml_packs_dropped_total", "Packs given up because the store was full.", stored.dropped);
    count("slicelet_senml_packs_published_total", "Packs that the server took.", out.published);
    count("slicelet_senml_server_disconnects_total", "Connections to the server that ended.", out.broken);
    page.Gauge("slicelet_senml_packs_waiting", "Packs that the server does not have yet.",
               static_cast<double>(stored.packs));
    page.Gauge("slicelet_senml_store_bytes", "What they take.", static_cast<double>(stored.bytes));
    page.Gauge("slicelet_senml_bus_connected", "1 while the bus is there.", bus.connected() ? 1 : 0);
    page.Gauge("slicelet_senml_server_connected", "1 while the server is there.",
               exporter.state() == Exporter::State::kSending ? 1 : 0);
    page.Gauge("slicelet_senml_refused", "1 while the server hangs up on what is published.",
               exporter.state() == Exporter::State::kRefused ? 1 : 0);
  }
};

absl::Status Run(const Settings& settings) {
  const auto files = MakeSystemFileSystem();
  const std::string directory = std::filesystem::path(settings.store).parent_path();
  SLICELET_RETURN_IF_ERROR(files->MakeDirectories(directory, kPrivateDirectory));
  SLICELET_ASSIGN_OR_RETURN(const auto outbox, OpenSqliteOutbox(settings.store, settings.store_limit));

  AsioLoop loop;
  SystemClock clock;
  SystemRandom random;
  const auto& mqtt = *slicelet_mqtt_module_v1();
  const auto server = MakeModuleDialer(loop, mqtt, settings.server);
  const auto broker = MakeModuleDialer(loop, mqtt, settings.bus);
  Exporter exporter(loop, random, *outbox, *server, settings.exporter);
  Intake intake(
      *outbox, [&] { loop.Post([&exporter] { exporter.Wake(); }); },
      [](const absl::Status& why) {
        // The bus has not been told that the event arrived, so it keeps it for the next start.
        LogError("an event cannot be kept; ending, so that the bus keeps it", {{"why", Message(why)}});
        std::_Exit(kFailure);
      });
  BusReader bus(loop, random, *broker, intake, settings.reader);

  const Health health{bus, exporter, intake, *outbox};
  MetricsServer pages(
      loop, [&health](MetricsPage& page) { health.Fill(page); }, [&health] { return health.Ready(); });
  SLICELET_ASSIGN_OR_RETURN(const auto authority,
                            MakeAuthority("senml-export", clock.Now(), kCertificateLife));
  SLICELET_ASSIGN_OR_RETURN(const auto certificate,
                            IssueCertificate(authority, {.common_name = "senml-export", .server = true},
                                             clock.Now(), kCertificateLife));
  SLICELET_RETURN_IF_ERROR(pages.Start(settings.listen, certificate).status());

  loop.OnSignals({SIGTERM, SIGINT}, [&loop](int) { loop.Stop(); });
  LogInfo("export starts", {{"version", SLICELET_VERSION},
                            {"server", settings.server.endpoint},
                            {"topic", settings.exporter.topic},
                            {"waiting", outbox->totals().packs}});
  bus.Start();
  exporter.Start();
  loop.Run();
  return absl::OkStatus();
}

}  // namespace
}  // namespace slicelet::senml

int main(int argc, char** argv) {
  using namespace slicelet::senml;
  // Before any thread: a peer that hangs up must not end the program.
  std::signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--version") return std::puts("senml-export " SLICELET_VERSION) < 0 ? kFailure : 0;
    if (option == "--help")
      return std::fputs(kUsage, stdout) < 0 || std::fputs(kSettingsHelp, stdout) < 0 ? kFailure : 0;
    std::fprintf(stderr, "senml-export: bad argument: %s (see --help)\n", option.c_str());
    return kWrongUse;
  }
  const auto settings = ReadSettings([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
  if (!settings.ok()) {
    std::fprintf(stderr, "senml-export: %s\n", slicelet::Message(settings.status()).c_str());
    return kWrongUse;
  }
  if (!slicelet::SetLogLevel(settings->log_level)) {
    std::fprintf(stderr, "senml-export: SENML_LOG_LEVEL: \"%s\" is no level (see --help)\n",
                 settings->log_level.c_str());
    return kWrongUse;
  }
  const auto status = Run(*settings);
  if (status.ok()) return 0;
  std::fprintf(stderr, "senml-export: %s\n", slicelet::Message(status).c_str());
  return kFailure;
}
