#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "common/mqtt/module_dialer.h"
#include "common/mqtt/testing/mosquitto_process.h"
#include "common/tls/pki.h"
#include "edge-agent/senml-export/testing/export_program.h"
#include "edge-agent/senml-export/testing/scripted_server.h"

namespace slicelet::senml {
namespace {

using testing::HasSubstr;

constexpr char kTopic[] = "channels/c1/messages";

std::string EventOf(int value) {
  const std::int64_t origin = 1'700'000'000'000'000'000 + value;
  const nlohmann::json event = {
      {"deviceName", "press-1"},
      {"origin", origin},
      {"readings",
       nlohmann::json::array(
           {{{"resourceName", "count"}, {"valueType", "Int32"}, {"value", std::to_string(value)}}})}};
  return nlohmann::json{{"contentType", "application/json"}, {"payload", {{"event", event}}}}.dump();
}

/// What an HTTPS page of the program says.
std::string Page(int port, const std::string& path) {
  const std::string command =
      "curl -sk --max-time 120 -w ' %{http_code}' https://127.0.0.1:" + std::to_string(port) + path;
  FILE* curl = popen(command.c_str(), "r");
  std::string text;
  for (int c = std::fgetc(curl); c != EOF; c = std::fgetc(curl)) text += static_cast<char>(c);
  pclose(curl);
  return text;
}

class SenmlExportTest : public testing::Test {
 protected:
  /// A client that reads what arrives at the server, in a session that the server keeps.
  struct Client {
    std::unique_ptr<MqttConnection> connection;
    bool connected = false;
    bool closed = false;
  };

  SenmlExportTest() : log_(bus_.directory() + "/export.log"), export_(Environment(server_.endpoint())) {}

  /// To read from the bus and to publish at `server`.
  [[nodiscard]] std::vector<std::string> Environment(const std::string& server) const {
    return {"SENML_SERVER=tcp://" + server,
            "SENML_USERNAME=thing-1",
            "SENML_PASSWORD=key-1",
            "SENML_CLIENT_ID=gw-1",
            std::string("SENML_TOPIC=") + kTopic,
            "SENML_STORE=" + bus_.directory() + "/store/outbox.db",
            "MESSAGEBUS_HOST=127.0.0.1",
            "MESSAGEBUS_PORT=" + std::to_string(bus_.port()),
            "SENML_LISTEN=127.0.0.1:" + std::to_string(probes_)};
  }

  void TearDown() override {
    if (!HasFailure()) return;
    std::ostringstream log;
    log << std::ifstream(log_).rdbuf();
    std::cerr << log.str();
  }

  /// `text` comes to stand on a page of the program.
  bool Says(const std::string& path, const std::string& text) {
    return RunLoopUntil(loop_, [&] { return Page(probes_, path).find(text) != std::string::npos; });
  }
  /// -1 when the program does not say.
  [[nodiscard]] int Metric(const std::string& name) const {
    const std::string page = "\n" + Page(probes_, "/metrics");
    const auto at = page.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stoi(page.substr(at + name.size() + 2));
  }

  void Connect(Client& client, const OpenMosquitto& broker, const std::string& id) {
    client.connected = client.closed = false;
    client.connection =
        MakeModuleDialer(loop_, *slicelet_mqtt_module_v1(),
                         {.endpoint = broker.endpoint(), .tls = false, .protocol = 3})
            ->Connect({.client_id = id, .will = {}},
                      {.on_connected = [&client] { client.connected = true; },
                       .on_message = [this](const MqttMessage& message) { Receive(message); },
                       .on_closed = [&client](const absl::Status&) { client.closed = true; }});
    ASSERT_TRUE(RunLoopUntil(loop_, [&] { return client.connected || client.closed; }));
    ASSERT_TRUE(client.connected);
  }

  void Receive(const MqttMessage& message) {
    const auto pack = nlohmann::json::parse(message.payload);
    // A connection was tried.
    if (pack.empty()) return;
    packs_[pack[0]["v"].get<int>()].insert(message.payload);
    ++arrived_;
  }
  [[nodiscard]] bool HaveAll(int first, int last) const {
    for (int value = first; value <= last; ++value) {
      if (packs_.count(value) == 0) return false;
    }
    return true;
  }

  void Publish(int first, int last) {
    for (int value = first; value <= last; ++value) {
      ASSERT_TRUE(publisher_.connection
                      ->Publish({.topic = "edgex/events/device/device-virtual/press/press-1/count",
                                 .payload = EventOf(value)})
                      .ok());
    }
    ASSERT_TRUE(RunLoopUntil(loop_, [&] { return publisher_.connection->outstanding() == 0; }));
  }

  /// From then on the bus keeps a session for the program. Nothing is on its way.
  void StartAndSubscribe() {
    Connect(subscriber_, server_, "subscriber");
    subscriber_.connection->Subscribe(kTopic);
    Connect(publisher_, bus_, "publisher");
    export_.Start(log_);
    const auto limit = loop_.Now() + kPatience;
    int warm_up = -1;
    for (; packs_.empty(); --warm_up) {
      ASSERT_LT(loop_.Now(), limit) << "nothing arrives";
      Publish(warm_up, warm_up);
      bool waited = false;
      loop_.RunAfter(std::chrono::milliseconds(100), [&waited] { waited = true; });
      ASSERT_TRUE(RunLoopUntil(loop_, [&] { return waited; }));
    }
    // Behind those that were on their way when the first one arrived.
    Publish(warm_up, warm_up);
    ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(warm_up, warm_up); }));
    ASSERT_TRUE(Says("/metrics", "slicelet_senml_packs_waiting 0\n"));
  }

  AsioLoop loop_;
  OpenMosquitto bus_{"max_queued_messages 0\n"};
  OpenMosquitto server_{"max_queued_messages 0\n", true};
  const int probes_ = FreeLoopbackPort();
  const std::string log_;
  ExportProgram export_;
  Client subscriber_;
  Client publisher_;
  /// What arrived, by the reading's value: every text that carried it.
  std::map<int, std::set<std::string>> packs_;
  int arrived_ = 0;
};

TEST_F(SenmlExportTest, NothingIsLostOverKillsAndAnAbsentServer) {
  StartAndSubscribe();
  constexpr int kPart = 500;
  int kills = 0;
  const auto kill_and_start = [&] {
    EXPECT_EQ(export_.End(SIGKILL), -SIGKILL);
    ++kills;
    export_.Start(log_);
  };

  // In the middle of a stream, and some of it while the program is dead.
  Publish(0, kPart - 1);
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(0, 9); }));
  EXPECT_EQ(export_.End(SIGKILL), -SIGKILL);
  ++kills;
  Publish(kPart, 2 * kPart - 1);
  export_.Start(log_);
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(0, kPart - 1); }));
  kill_and_start();
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(0, 2 * kPart - 1); }));

  // The server is away; the program is killed while it keeps what comes, and once more before the server is
  // back.
  subscriber_.connection.reset();
  server_.Stop();
  Publish(2 * kPart, 3 * kPart - 1);
  kill_and_start();
  Publish(3 * kPart, 4 * kPart - 1);
  kill_and_start();
  server_.Start();
  Connect(subscriber_, server_, "subscriber");
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(0, 4 * kPart - 1); }));

  // One text for each reading, however often it came; twice came what was under way to the server.
  constexpr int kWindow = 64;
  for (const auto& [value, texts] : packs_) EXPECT_EQ(texts.size(), 1U) << value;
  EXPECT_LE(arrived_, static_cast<int>(packs_.size()) + (kills + 1) * kWindow);
  EXPECT_EQ(export_.End(SIGTERM), 0);
}

TEST_F(SenmlExportTest, WhatTheServerDidNotAnswerIsSentAgain) {
  StartAndSubscribe();
  subscriber_.connection.reset();
  // From here on the server remembers its subscriber, whatever happens to it.
  const std::string disconnects = "slicelet_senml_server_disconnects_total";
  const int before = Metric(disconnects);
  server_.Stop();
  server_.Start();
  // Attempts to connect to one that is not back yet count too.
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return Metric(disconnects) > before; }));
  ASSERT_TRUE(Says("/metrics", "slicelet_senml_server_connected 1\n"));
  server_.Freeze();
  Publish(0, 99);
  ASSERT_TRUE(Says("/metrics", "slicelet_senml_packs_waiting 100\n"));
  EXPECT_EQ(export_.End(SIGKILL), -SIGKILL);
  server_.Kill();
  server_.Start();
  export_.Start(log_);
  Connect(subscriber_, server_, "subscriber");
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return HaveAll(0, 99); }));
}

TEST_F(SenmlExportTest, ProbesAndMetricsTellWhatItDoes) {
  StartAndSubscribe();
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return Page(probes_, "/readyz") == "ok\n 200"; }));
  EXPECT_EQ(Page(probes_, "/healthz"), "ok\n 200");
  EXPECT_THAT(Page(probes_, "/metrics"), HasSubstr("slicelet_senml_server_connected 1"));
  server_.Kill();
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return Page(probes_, "/readyz").find("server: ") == 0; }));
  EXPECT_THAT(Page(probes_, "/readyz"), HasSubstr(" 503"));
  EXPECT_EQ(Page(probes_, "/healthz"), "ok\n 200");
  Publish(0, 9);
  ASSERT_TRUE(Says("/metrics", "slicelet_senml_packs_waiting 10\n"));
}

TEST_F(SenmlExportTest, ItIsReadyOnceTheServerHasAcknowledgedSomething) {
  using Answer = ScriptedServer::Answer;
  ScriptedServer server;
  ExportProgram program(Environment(server.endpoint()));
  program.Start(log_);
  // There is no reading yet: a pack without records asks.
  ASSERT_TRUE(RunLoopUntil(loop_, [&] { return !server.published().empty(); }));
  EXPECT_EQ(server.published().front(), "[]");
  ASSERT_TRUE(Says("/readyz", "has not acknowledged anything"));
  EXPECT_THAT(Page(probes_, "/readyz"), HasSubstr(" 503"));
  EXPECT_TRUE(Says("/metrics", "slicelet_senml_server_connected 1"));

  server.Say(Answer::kHangUp);
  server.HangUp();
  ASSERT_TRUE(Says("/readyz", "took nothing"));
  EXPECT_THAT(Page(probes_, "/readyz"), HasSubstr(" 503"));

  server.Say(Answer::kAcknowledge);
  ASSERT_TRUE(Says("/readyz", " 200"));
  EXPECT_THAT(Page(probes_, "/metrics"), HasSubstr("slicelet_senml_packs_published_total 0\n"));
  EXPECT_THAT(server.published(), testing::Each(std::string("[]")));
  // What was acknowledged on one connection says nothing of the next one.
  server.Say(Answer::kNone);
  server.HangUp();
  ASSERT_TRUE(Says("/readyz", " 503"));
  ASSERT_TRUE(Says("/readyz", "has not acknowledged anything"));
  EXPECT_EQ(program.End(SIGTERM), 0);
}

/// A server whose broker speaks TLS only, with a certificate of an authority of its own.
class SenmlExportTlsTest : public SenmlExportTest {
 protected:
  SenmlExportTlsTest() : authority_(NewAuthority()) {
    Certify();
    const std::string at = tls_.directory();
    tls_.Write("mosquitto.conf", "listener " + std::to_string(tls_.port()) +
                                     " 127.0.0.1\nallow_anonymous true\ncertfile " + at +
                                     "/server.crt\nkeyfile " + at + "/server.key\n");
    tls_.Start();
    settings_ = bus_.directory() + "/settings";
    std::filesystem::create_directory(settings_);
    Tell("SENML_SERVER", "ssl://127.0.0.1:" + std::to_string(tls_.port()));
    Tell("SENML_USERNAME", "thing-1");
    Tell("SENML_PASSWORD", "key-1");
    Tell("SENML_CLIENT_ID", "gw-1");
    Tell("SENML_TOPIC", kTopic);
    Tell("ca.crt", authority_.certificate_pem);
    Tell("SENML_CA_FILE", settings_ + "/ca.crt");
  }

  static CertificateAndKey NewAuthority() {
    return *MakeAuthority("of the server", WallTime(std::chrono::system_clock::now()),
                          std::chrono::hours(24));
  }
  void Certify() {
    CertificateTemplate contents{.common_name = "server", .ip_addresses = {"127.0.0.1"}, .server = true};
    const auto made = IssueCertificate(authority_, contents, WallTime(std::chrono::system_clock::now()),
                                       std::chrono::hours(24));
    ASSERT_TRUE(made.ok()) << made.status();
    tls_.Write("server.crt", made->certificate_pem);
    tls_.Write("server.key", made->key_pem);
    // mosquitto gives up its rights before it reads them.
    std::filesystem::permissions(tls_.directory() + "/server.key", std::filesystem::perms(0644));
  }
  void Tell(const std::string& name, const std::string& value) const {
    std::ofstream(settings_ + "/" + name) << value;
  }

  CertificateAndKey authority_;
  MosquittoProcess tls_;
  std::string settings_;
};

TEST_F(SenmlExportTlsTest, AServerIsTrustedThroughItsAuthorityAlone) {
  ExportProgram program({"SENML_SETTINGS=" + settings_,
                         "SENML_STORE=" + bus_.directory() + "/store/outbox.db", "MESSAGEBUS_HOST=127.0.0.1",
                         "MESSAGEBUS_PORT=" + std::to_string(bus_.port()),
                         "SENML_LISTEN=127.0.0.1:" + std::to_string(probes_)});
  program.Start(log_);
  ASSERT_TRUE(Says("/readyz", " 200"));
  Connect(publisher_, bus_, "publisher");
  // It may subscribe a moment after it has connected; what comes to it again is left out.
  ASSERT_TRUE(RunLoopUntil(loop_, [&] {
    Publish(0, 9);
    return Metric("slicelet_senml_packs_published_total") == 10;
  }));

  // Another authority: what is read meanwhile waits until that one is known.
  tls_.Stop();
  authority_ = NewAuthority();
  Certify();
  tls_.Start();
  Publish(10, 19);
  ASSERT_TRUE(Says("/metrics", "slicelet_senml_packs_waiting 10\n"));
  ASSERT_TRUE(Says("/readyz", "server: "));
  Tell("ca.crt", authority_.certificate_pem);
  ASSERT_TRUE(Says("/metrics", "slicelet_senml_packs_waiting 0\n"));
  EXPECT_EQ(program.End(SIGTERM), 0);
}

TEST_F(SenmlExportTest, ASecondProgramOnOneStoreEnds) {
  StartAndSubscribe();
  ExportProgram second({"SENML_SERVER=tcp://" + server_.endpoint(), "SENML_USERNAME=t", "SENML_PASSWORD=k",
                        "SENML_CLIENT_ID=other", "SENML_TOPIC=t",
                        "SENML_STORE=" + bus_.directory() + "/store/outbox.db"});
  second.Start(log_);
  EXPECT_EQ(second.End(0), 1);
  ExportProgram empty({});
  empty.Start(log_);
  EXPECT_EQ(empty.End(0), 2);
}

}  // namespace
}  // namespace slicelet::senml
