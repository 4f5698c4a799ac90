// Any bytes as a manifest that the hub has signed: it is accepted, once, or refused with a reason; the next
// agent reads back what was accepted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/log/log.h"
#include "common/loop/testing/sim_loop.h"
#include "edge-agent/link/manifest_keeper.h"
#include "edge-agent/store/testing/memory_agent_store.h"

using slicelet::agent::ManifestKeeper;

namespace {

struct Keys {
  std::unique_ptr<slicelet::Signer> root = slicelet::MakeSignerFromSeed(std::string(32, 'r'));
  std::unique_ptr<slicelet::Signer> hub = slicelet::MakeSignerFromSeed(std::string(32, 's'));
  slicelet::v1::KeyCertificate certificate =
      slicelet::CertifyKey(*root, "hub-1", hub->public_key(), "manifest", 1);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Keys keys;
  slicelet::SetLogLevel(slicelet::LogLevel::kOff);
  slicelet::SimLoop loop;
  slicelet::agent::MemoryAgentStore store(loop);
  slicelet::v1::AgentSettings settings;
  int accepted = 0;
  int rejected = 0;
  const ManifestKeeper::Options options{"hub-1", slicelet::HostId("gw-1"), keys.root->public_key()};
  const ManifestKeeper::Events events{
      .attach = [](const auto&, auto&) { return std::vector<slicelet::Digest>(); },
      .attached = [](const auto&, const auto&) {},
      .verified = [](const auto&) {},
      .accepted = [&accepted](const auto&, const auto&, bool) { ++accepted; },
      .rejected =
          [&rejected](const slicelet::v1::Rejected& why) {
            if (why.message().empty() || why.code() == slicelet::v1::Rejected::UNKNOWN_KEY) std::abort();
            ++rejected;
          }};
  slicelet::v1::Desired desired;
  *desired.add_keys() = keys.certificate;
  desired.mutable_manifest()->set_manifest(data, size);
  desired.mutable_manifest()->set_key_id(keys.hub->key_id());
  desired.mutable_manifest()->set_signature(
      keys.hub->Sign(slicelet::SignaturePurpose::kManifest, desired.manifest().manifest()));
  slicelet::Generation held;
  {
    ManifestKeeper keeper(options, store, settings, events);
    keeper.Offer(desired);
    loop.Advance(std::chrono::seconds(1));
    held = keeper.accepted();
    if (accepted + rejected != 1) std::abort();
  }
  store.Crash();
  const ManifestKeeper next(options, store, settings, events);
  if (next.accepted() != held) std::abort();
  return 0;
}
