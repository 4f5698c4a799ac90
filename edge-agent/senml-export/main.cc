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
/// Between two looks at the files of SENML_SETTINGS.
constexpr Duration kLookPeriod = std::chrono::seconds(1);

constexpr char kUsage[] =
    "usage: senml-export [--idle] [--help] [--version]\n"
    "Sends the readings of an EdgeX gateway to an IoT server as SenML packs, and keeps them on disk while "
    "the\n"
    "server is away. With --idle it reads and sends nothing, and only answers its probes.\n\n";

/// The two connections for one set of settings, and what lies between.
struct Export {
  Export(AsioLoop& the_loop, Random& random, Outbox& outbox, const Settings& settings)
      : loop(the_loop),
        server(MakeModuleDialer(loop, *slicelet_mqtt_module_v1(), settings.server)),
        broker(MakeModuleDialer(loop, *slicelet_mqtt_module_v1(), settings.bus)),
        exporter(loop, random, outbox, *server, settings.exporter),
        intake(
            outbox, [this, wake = lifetime.Guard([this] { exporter.Wake(); })] { loop.Post(wake); },
            [](const absl::Status& why) {
              // The bus has not been told that the event arrived, so it keeps it for the next start, which
              // sends what there is and leaves the bus alone until something can be kept. There is no other
              // way: the library tells the bus whatever becomes of the event, and must not be held up.
              LogError("an event cannot be kept; ending, so that the bus keeps it", {{"why", Message(why)}});
              std::_Exit(kFailure);
            }),
        bus(loop, random, *broker, intake, settings.reader) {
    bus.Start();
    exporter.Start();
  }

  [[nodiscard]] absl::Status Ready() const {
    if (!bus.connected()) return absl::UnavailableError("bus: " + bus.why());
    if (!exporter.why().empty()) return absl::UnavailableError("server: " + exporter.why());
    return absl::OkStatus();
  }

  void Fill(MetricsPage& page) const {
    const auto in = intake.counts();
    const auto& out = exporter.counts();
    const auto count = [&page](const char* name, const char* help, std::uint64_t value,
                               MetricsPage::Labels labels = {}) {
      page.Counter(name, help, static_cast<double>(value), std::move(labels));
    };
    count("slicelet_senml_events_total", "Events read from the bus.", in.events);
    count("slicelet_senml_records_total", "Records made of their readings.", in.records);
    count("slicelet_senml_events_repeated_total", "Events that the bus delivered again; left out.",
          in.repeated);
    count("slicelet_senml_bad_messages_total", "Messages of the bus that are no events.", in.bad_messages);
    static constexpr char kDropped[] = "slicelet_senml_readings_dropped_total";
    static constexpr char kDroppedHelp[] = "Readings that have no SenML form.";
    count(kDropped, kDroppedHelp, in.not_finite, {{"reason", "not_finite"}});
    count(kDropped, kDroppedHelp, in.null, {{"reason", "null"}});
    count(kDropped, kDroppedHelp, in.unreadable, {{"reason", "unreadable"}});
    count("slicelet_senml_packs_published_total", "Packs that the server took.", out.published);
    count("slicelet_senml_server_disconnects_total", "Connections to the server that ended.", out.broken);
    page.Gauge("slicelet_senml_packs_set_aside",
               "Packs that the server does not take; tried again an hour later.",
               static_cast<double>(exporter.set_aside()));
    page.Gauge("slicelet_senml_bus_connected", "1 while the bus is there.", bus.connected() ? 1 : 0);
    page.Gauge("slicelet_senml_server_connected", "1 while the server is there.",
               exporter.state() == Exporter::State::kSending ? 1 : 0);
    page.Gauge("slicelet_senml_refused", "1 while the server hangs up on what is published.",
               exporter.state() == Exporter::State::kRefused ? 1 : 0);
  }

  AsioLoop& loop;
  Lifetime lifetime;
  std::unique_ptr<MqttDialer> server, broker;
  Exporter exporter;
  Intake intake;
  BusReader bus;
};

/// The program while it runs: exports once its settings are whole, and anew when they change.
class Program {
 public:
  Program(AsioLoop& loop, Environment environment, bool idle)
      : loop_(loop),
        environment_(std::move(environment)),
        idle_(idle),
        followed_(environment_(kFollowedDirectory).value_or("")),
        look_(loop) {}

  /// InvalidArgument for settings that nobody will ever complete.
  absl::Status Start() {
    if (idle_) return absl::OkStatus();
    SLICELET_RETURN_IF_ERROR(Begin());
    if (!followed_.empty()) LookLater();
    return absl::OkStatus();
  }
  /// How it ended.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }

  [[nodiscard]] absl::Status Ready() const {
    if (export_) return export_->Ready();
    return idle_ ? absl::OkStatus() : absl::UnavailableError("waits for its settings: " + why_);
  }
  void Fill(MetricsPage& page) const {
    if (export_) export_->Fill(page);
    if (!outbox_) return;
    const auto stored = outbox_->totals();
    page.Counter("slicelet_senml_packs_dropped_total", "Packs given up because the store was full.",
                 static_cast<double>(stored.dropped));
    page.Gauge("slicelet_senml_packs_waiting", "Packs that the server does not have yet.",
               static_cast<double>(stored.packs));
    page.Gauge("slicelet_senml_store_bytes", "What they take.", static_cast<double>(stored.bytes));
  }

 private:
  absl::Status Begin() {
    const Environment environment = WithFiles(environment_, followed_);
    settings_ = FollowedSettings(environment);
    export_.reset();
    const auto settings = ReadSettings(environment);
    if (!settings.ok()) {
      if (followed_.empty()) return settings.status();
      why_ = Message(settings.status());
      LogInfo("waits for its settings", {{"directory", followed_}, {"why", why_}});
      return absl::OkStatus();
    }
    if (!outbox_) {
      const std::string directory = std::filesystem::path(settings->store).parent_path();
      SLICELET_RETURN_IF_ERROR(MakeSystemFileSystem()->MakeDirectories(directory, kPrivateDirectory));
      SLICELET_ASSIGN_OR_RETURN(outbox_, OpenSqliteOutbox(settings->store, settings->store_limit));
    }
    export_ = std::make_unique<Export>(loop_, random_, *outbox_, *settings);
    LogInfo("export starts", {{"version", SLICELET_VERSION},
                              {"server", settings->server.endpoint},
                              {"topic", settings->exporter.topic},
                              {"waiting", outbox_->totals().packs}});
    return absl::OkStatus();
  }

  void LookLater() {
    look_.Set(kLookPeriod, [this] {
      if (FollowedSettings(WithFiles(environment_, followed_)) != settings_) failure_ = Begin();
      if (!failure_.ok()) return loop_.Stop();
      LookLater();
    });
  }

  AsioLoop& loop_;
  const Environment environment_;
  const bool idle_;
  const std::string followed_;
  SystemRandom random_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Export> export_;
  std::string settings_;
  std::string why_;
  absl::Status failure_;
  Timer look_;
};

absl::Status Run(const Environment& environment, bool idle) {
  AsioLoop loop;
  SystemClock clock;
  Program program(loop, environment, idle);
  MetricsServer pages(
      loop, [&program](MetricsPage& page) { program.Fill(page); }, [&program] { return program.Ready(); });
  SLICELET_ASSIGN_OR_RETURN(const std::string listen, ListenAddress(environment));
  SLICELET_ASSIGN_OR_RETURN(const auto authority,
                            MakeAuthority("senml-export", clock.Now(), kCertificateLife));
  SLICELET_ASSIGN_OR_RETURN(const auto certificate,
                            IssueCertificate(authority, {.common_name = "senml-export", .server = true},
                                             clock.Now(), kCertificateLife));
  SLICELET_RETURN_IF_ERROR(program.Start());
  SLICELET_RETURN_IF_ERROR(pages.Start(listen, certificate).status());
  loop.OnSignals({SIGTERM, SIGINT}, [&loop](int) { loop.Stop(); });
  loop.Run();
  return program.failure();
}

}  // namespace
}  // namespace slicelet::senml

int main(int argc, char** argv) {
  using namespace slicelet::senml;
  // Before any thread: a peer that hangs up must not end the program.
  std::signal(SIGPIPE, SIG_IGN);
  bool idle = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--version") return std::puts("senml-export " SLICELET_VERSION) < 0 ? kFailure : 0;
    if (option == "--help")
      return std::fputs(kUsage, stdout) < 0 || std::fputs(kSettingsHelp, stdout) < 0 ? kFailure : 0;
    idle = option == "--idle";
    if (idle) continue;
    std::fprintf(stderr, "senml-export: bad argument: %s (see --help)\n", option.c_str());
    return kWrongUse;
  }
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  if (const auto level = environment("SENML_LOG_LEVEL");
      level && !level->empty() && !slicelet::SetLogLevel(*level)) {
    std::fprintf(stderr, "senml-export: SENML_LOG_LEVEL: \"%s\" is no level (see --help)\n", level->c_str());
    return kWrongUse;
  }
  const auto status = Run(environment, idle);
  if (status.ok()) return 0;
  std::fprintf(stderr, "senml-export: %s\n", slicelet::Message(status).c_str());
  return absl::IsInvalidArgument(status) ? kWrongUse : kFailure;
}
