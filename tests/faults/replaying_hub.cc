// Somebody with the hub's certificate and a copy of its database, but without its signing key: whoever dials
// is given the manifest that the copy holds for it, whatever it says that it holds already.
//
// Usage: replaying_hub LISTEN CA CERTIFICATE KEY HUB DATABASE [--changed]
//   --changed   one bit of the manifest is another one
// Prints what each host answers, a line each: HOST accepted, or HOST CODE MESSAGE. Runs until SIGTERM.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "common/base/time.h"
#include "common/log/log.h"
#include "common/loop/asio_loop.h"
#include "common/rpc/edge_link.h"
#include "provider/store/sqlite_hub_store.h"

namespace slicelet {
namespace {

constexpr int kArguments = 7;

using Pipe = MessagePipe<v1::HubMessage, v1::HostMessage>;

class ReplayingHub {
 public:
  ReplayingHub(std::string hub, const provider::HubStore& store, bool changed)
      : hub_(std::move(hub)), store_(store), changed_(changed) {}

  Pipe::Handler Accept(std::unique_ptr<Pipe> pipe, const std::string& host) {
    Pipe& out = *pipes_.emplace_back(std::move(pipe));
    return {.on_message = [this, &out, host](const v1::HostMessage& message) { Answer(out, host, message); },
            .on_closed = [](const absl::Status&) {}};
  }

 private:
  void Answer(Pipe& out, const std::string& host, const v1::HostMessage& message) {
    if (message.has_birth()) {
      v1::HubMessage welcome;
      welcome.set_session(message.session());
      welcome.mutable_welcome()->set_hub_id(hub_);
      welcome.mutable_welcome()->set_protocol(message.birth().protocol());
      welcome.mutable_welcome()->set_hub_time(ToUnixNanos(SystemClock().Now()));
      welcome.mutable_welcome()->set_nonce(message.birth().nonce());
      out.Send(welcome);
      v1::HubMessage desired;
      desired.set_session(message.session());
      v1::SignedManifest& manifest = *desired.mutable_desired()->mutable_manifest();
      manifest = store_.loaded().hosts.at(HostId(host)).manifest();
      if (changed_) manifest.mutable_manifest()->back() ^= 1;
      out.Send(desired);
    } else if (message.has_accepted()) {
      std::printf("%s accepted\n", host.c_str());
    } else if (message.has_rejected()) {
      const v1::Rejected& rejected = message.rejected();
      std::printf("%s %s %s\n", host.c_str(), v1::Rejected::Code_Name(rejected.code()).c_str(),
                  rejected.message().c_str());
    }
    std::fflush(stdout);
  }

  const std::string hub_;
  const provider::HubStore& store_;
  const bool changed_;
  // Also those that are closed: their handlers may still be running.
  std::vector<std::unique_ptr<Pipe>> pipes_;
};

int Run(int argc, char** argv) {
  if (argc < kArguments) {
    std::fputs("usage: replaying_hub LISTEN CA CERTIFICATE KEY HUB DATABASE [--changed]\n", stderr);
    return 2;
  }
  SetLogLevel(LogLevel::kWarning);
  AsioLoop loop;
  const auto store = provider::MakeSqliteHubStore(argv[6], loop);
  if (!store.ok()) {
    std::fprintf(stderr, "replaying_hub: %s\n", Message(store.status()).c_str());
    return 1;
  }
  EdgeLinkService service(loop);
  ReplayingHub hub(argv[5], **store, argc > kArguments && std::strcmp(argv[kArguments], "--changed") == 0);
  service.sessions().Start(
      [&](std::unique_ptr<Pipe> pipe, const std::string& host) { return hub.Accept(std::move(pipe), host); });
  RpcServer server;
  RpcTls tls;
  tls.ca_file = argv[2];
  tls.certificate_file = argv[3];
  tls.key_file = argv[4];
  const auto port =
      server.Listen({.address = argv[1], .tls = tls, .services = {{&service, [](const RpcPeer&) {
                                                                     return absl::OkStatus();
                                                                   }}}});
  if (!port.ok()) {
    std::fprintf(stderr, "replaying_hub: %s\n", Message(port.status()).c_str());
    return 1;
  }
  loop.OnSignals({SIGTERM, SIGINT}, [&](int) { loop.Stop(); });
  loop.Run();
  server.Shutdown();
  return 0;
}

}  // namespace
}  // namespace slicelet

int main(int argc, char** argv) { return slicelet::Run(argc, argv); }
