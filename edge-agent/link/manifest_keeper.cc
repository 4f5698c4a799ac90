#include "edge-agent/link/manifest_keeper.h"

#include <set>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/names.h"
#include "common/base/shown_text.h"
#include "common/log/log.h"
#ifdef SLICELET_PLANTS
#include "tests/sim/plants.h"
#endif

namespace slicelet::agent {
namespace {

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kMaxUidBytes = 128;

}  // namespace

ManifestKeeper::ManifestKeeper(Options options, AgentStore& store, v1::AgentSettings& settings, Events events)
    : options_(std::move(options)),
      store_(store),
      settings_(settings),
      events_(std::move(events)),
      keys_(options_.hub_id, options_.root_public_key) {
  AddKeys(settings_.keys());
  const auto& stored = store_.loaded().manifest;
  if (!stored) {
    // A store without one is new, or was made anew by a process that ended before it could write anything.
    settings_.set_amnesiac(true);
    return;
  }
  v1::Manifest manifest;
  absl::Status status = keys_.VerifyAccepted(*stored);
  if (status.ok() && !manifest.ParseFromString(stored->manifest()))
    status = absl::DataLossError("cannot be decoded");
  if (!status.ok()) {
    LogError("stored manifest is damaged, asking the hub for another", {{"error", Describe(status)}});
    settings_.set_amnesiac(true);
    return;
  }
  held_ = {FromProto(manifest.generation()), Sha256(stored->manifest()).value(), stored};
  writing_ = held_;
  newest_ = std::move(manifest);
}

bool ManifestKeeper::AddKeys(const google::protobuf::RepeatedPtrField<v1::KeyCertificate>& keys) {
  const auto before = keys_.certificates().size();
  std::set<std::string> known;
  for (const auto& [id, certificate] : keys_.certificates()) known.insert(id);
  for (const auto& certificate : keys) {
    const auto status = keys_.Add(certificate);
    if (!status.ok()) LogWarning("manifest key refused", {{"error", Describe(status)}});
  }
  bool changed = keys_.certificates().size() != before;
  for (const auto& [id, certificate] : keys_.certificates()) changed = changed || known.count(id) == 0;
  if (!changed) return false;
  settings_.clear_keys();
  // The stored manifest may be one of theirs until the hub has signed another.
  for (const auto& [number, certificate] : keys_.withdrawn()) *settings_.add_keys() = certificate;
  for (const auto& [id, certificate] : keys_.certificates()) {
    *settings_.add_keys() = certificate;
    v1::KeyCertificateBody body;
    if (body.ParseFromString(certificate.body()) && body.number() > settings_.key_number()) {
      settings_.set_key_number(body.number());
    }
  }
  return true;
}

void ManifestKeeper::Reject(const Generation& generation, v1::Rejected::Code code, const std::string& message,
                            bool with_proof) {
  LogWarning("manifest rejected", {{"host", options_.host},
                                   {"gen", generation},
                                   {"code", v1::Rejected::Code_Name(code)},
                                   {"why", message}});
  v1::Rejected rejected;
  ToProto(generation, rejected.mutable_generation());
  rejected.set_code(code);
  rejected.set_message(message);
  // While a newer one is being written the held one proves too little: a hub without a store would build on
  // it, and name again what the newer one ended. It asks.
  if (with_proof && held_.bytes && FromProto(newest_.generation()) == held_.generation) {
    *rejected.mutable_held() = *held_.bytes;
  }
  events_.rejected(rejected);
}

std::string ManifestKeeper::Defect(const v1::Manifest& manifest) {
  if (manifest.deployments_size() > kMaxDeployments) {
    return "deployments: " + std::to_string(manifest.deployments_size()) + " are more than " +
           std::to_string(kMaxDeployments);
  }
  std::set<std::string> uids;
  for (const auto& deployment : manifest.deployments()) {
    const auto& uid = deployment.uid();
    // These become names of directories.
    if (uid.size() > kMaxUidBytes || !IsPathComponent(uid)) {
      return "deployments.uid: \"" + uid + "\" is not a uid";
    }
    const auto& ns = deployment.namespace_();
    if (!ns.empty() && !IsDnsLabel(ns)) {
      return "deployment " + uid + ": namespace: \"" + ShownText(ns) + "\" is no DNS label";
    }
    const auto& name = deployment.name();
    if (!name.empty() && !IsDnsSubdomain(name)) {
      return "deployment " + uid + ": name: \"" + ShownText(name) + "\" is no DNS subdomain";
    }
    if (!uids.insert(uid).second) return "deployments.uid: " + uid + " is there twice";
    if (deployment.digest().size() != kDigestBytes) return "deployment " + uid + ": digest: not 32 bytes";
    for (const auto& blob : deployment.blobs()) {
      if (blob.digest().size() != kDigestBytes) {
        return "deployment " + uid + ": blob " + blob.content_id() + ": digest: not 32 bytes";
      }
    }
  }
  return "";
}

void ManifestKeeper::Offer(const v1::Desired& desired) {
  const auto& offered = desired.manifest();
  if (offered.manifest().size() > kMaxManifestBytes) {
    Reject({}, v1::Rejected::TOO_LARGE,
           std::to_string(offered.manifest().size()) + " bytes are more than " +
               std::to_string(kMaxManifestBytes),
           false);
    return;
  }
  AddKeys(desired.keys());
  const auto verified = keys_.VerifyManifest(offered);
  if (!verified.ok()) {
    Reject({}, absl::IsNotFound(verified) ? v1::Rejected::UNKNOWN_KEY : v1::Rejected::BAD_SIGNATURE,
           Message(verified), false);
    return;
  }
  v1::Manifest manifest;
  if (!manifest.ParseFromString(offered.manifest())) {
    Reject({}, v1::Rejected::MALFORMED, "the signed bytes are not a manifest", false);
    return;
  }
  const Generation generation = FromProto(manifest.generation());
  if (manifest.host_id() != options_.host.value() || manifest.hub_id() != options_.hub_id) {
    Reject(generation, v1::Rejected::WRONG_HOST,
           "it is for host " + manifest.host_id() + " of hub " + manifest.hub_id() + ", this is " +
               options_.host.value() + " of " + options_.hub_id,
           false);
    return;
  }
  if (const auto defect = Defect(manifest); !defect.empty()) {
    Reject(generation, v1::Rejected::MALFORMED, defect, false);
    return;
  }
  Held next{generation, Sha256(offered.manifest()).value(), offered};
  if (next.digest == held_.digest) {
    v1::Accepted accepted;
    ToProto(generation, accepted.mutable_generation());
    accepted.set_digest(held_.digest);
    events_.accepted(manifest, accepted, false);
    return;
  }
  // Said again while it is being written: the answer is on its way.
  if (next.digest == writing_.digest) return;
  if (settings_.amnesiac() && (settings_.nonce().empty() || manifest.nonce() != settings_.nonce())) {
    Reject(generation, v1::Rejected::STALE_GENERATION,
           "this host lost its store and takes only a manifest that carries its nonce", false);
    return;
  }
  // Its number is of another count. Hubs that never heard which store this is send none.
  if (!manifest.nonce().empty() && manifest.nonce() != settings_.nonce()) {
    Reject(generation, v1::Rejected::STALE_GENERATION, "it was made for a store that this host has no more",
           true);
    return;
  }
  bool stale = writing_.bytes && generation <= writing_.generation;
#ifdef SLICELET_PLANTS
  stale = stale && !sim::Planted(sim::Plant::kAcceptOldGeneration);
#endif
  if (stale) {
    Reject(generation, v1::Rejected::STALE_GENERATION,
           "the host holds " + std::to_string(writing_.generation.epoch) + "." +
               std::to_string(writing_.generation.number),
           true);
    return;
  }
  Store(manifest, std::move(next));
}

void ManifestKeeper::Store(const v1::Manifest& manifest, Held next) {
  writing_ = next;
  newest_ = manifest;
  const bool was_amnesiac = settings_.amnesiac();
  settings_.set_amnesiac(false);
  AgentStore::Batch batch;
  batch.manifest = next.bytes;
  batch.settings = settings_;
  std::vector<Digest> blobs = events_.attach(manifest, batch);
  // Blobs for a manifest that the store does not take would come over the link in vain.
  const bool put_off = full_;
  // The commit first, so that it is under way while blobs are asked for.
  store_.Commit(std::move(batch), lifetime_.Guard([this, manifest, next, was_amnesiac, put_off,
                                                   blobs = std::move(blobs)](const absl::Status& status) {
    events_.attached(blobs, status);
    full_ = !status.ok();
    if (!status.ok()) {
      if (writing_.digest == next.digest) {
        writing_ = held_;
        newest_.Clear();
        if (held_.bytes) newest_.ParseFromString(held_.bytes->manifest());
        events_.verified(newest_);
      }
      settings_.set_amnesiac(settings_.amnesiac() || was_amnesiac);
      Reject(next.generation, v1::Rejected::STORE_FULL, Message(status), false);
      return;
    }
    held_ = next;
    // The newest one, which a write that follows may carry.
    if (put_off) events_.verified(newest_);
    LogInfo(
        "manifest accepted",
        {{"host", options_.host}, {"gen", next.generation}, {"deployments", manifest.deployments_size()}});
    v1::Accepted accepted;
    ToProto(next.generation, accepted.mutable_generation());
    accepted.set_digest(next.digest);
    events_.accepted(manifest, accepted, true);
  }));
  if (!put_off) events_.verified(manifest);
}

}  // namespace slicelet::agent
