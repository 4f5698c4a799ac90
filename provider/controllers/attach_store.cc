#include "provider/controllers/attach_store.h"

#include <utility>

#include "common/base/encoding.h"
#include "kube/object.h"
#include "kube/paths.h"
#include "provider/controllers/exporter.h"
#include "provider/controllers/settings.h"

namespace slicelet::provider {
namespace {

constexpr std::size_t kMaxReason = 256;
constexpr std::size_t kMaxMessage = 2'048;
constexpr char kPassword[] = "SENML_PASSWORD";

constexpr AttachState kStates[] = {AttachState::kDetached, AttachState::kAttaching, AttachState::kAttached,
                                   AttachState::kDegraded, AttachState::kDetaching, AttachState::kOrphaned};

}  // namespace

Json JsonOf(const std::string& host, const std::string& server, const AttachRecord& record) {
  return {{"host", host},
          {"server", server},
          {"state", NameOf(record.state)},
          {"reason", record.reason.substr(0, kMaxReason)},
          {"message", record.message.substr(0, kMaxMessage)},
          {"identity", record.identity},
          {"channel", record.channel}};
}

AttachRecord RecordOf(const Json& json) {
  AttachRecord record;
  const std::string state = kube::TextAt(json, {"state"});
  for (const AttachState one : kStates) {
    if (NameOf(one) == state) record.state = one;
  }
  record.reason = kube::TextAt(json, {"reason"});
  record.message = kube::TextAt(json, {"message"});
  record.identity = kube::TextAt(json, {"identity"});
  record.channel = kube::TextAt(json, {"channel"});
  return record;
}

KubeAttachStore::KubeAttachStore(kube::KubeApi& api, Place place, Written written)
    : api_(api), place_(std::move(place)), written_(std::move(written)) {}

kube::ObjectRef KubeAttachStore::SecretRef() const {
  return {kube::kSecrets, kube::NamespaceOf(place_.gateway), ExportSecretOf(place_.gateway), ""};
}

Json KubeAttachStore::SecretData(const AttachRecord& record) const {
  return {{"SENML_SERVER", Base64Encode(export_.server)},
          {"SENML_USERNAME", Base64Encode(record.identity)},
          {kPassword, Base64Encode(record.key)},
          // No other gateway has this identity, nor has it on another host.
          {"SENML_CLIENT_ID", Base64Encode(record.identity)},
          {"SENML_TOPIC", Base64Encode(export_.topic(record.channel))}};
}

void KubeAttachStore::GetSecret(const Callback<Json>& done) {
  api_.Get(SecretRef(), lifetime_.Guard([this, done](absl::StatusOr<Json> secret) {
    if (absl::IsNotFound(secret.status())) return done(Json());
    if (secret.ok() &&
        kube::TextAt(*secret, {"metadata", "labels", kGatewayLabel}) != kube::NameOf(place_.gateway)) {
      return done(absl::FailedPreconditionError("Secret " + ExportSecretOf(place_.gateway) +
                                                " is there and is not this gateway's: remove it"));
    }
    done(std::move(secret));
  }));
}

void KubeAttachStore::ReadKey(const AttachRecord& record, Callback<std::string> done) {
  GetSecret([this, record, done = std::move(done)](const absl::StatusOr<Json>& secret) {
    if (absl::IsFailedPrecondition(secret.status())) return done(std::string());
    if (!secret.ok()) return done(secret.status());
    AttachRecord read = record;
    read.key = Base64Decode(kube::TextAt(*secret, {"data", kPassword})).value_or("");
    const bool says_all = secret->is_object() && secret->value("data", Json()) == SecretData(read);
    done(says_all ? read.key : std::string());
  });
}

void KubeAttachStore::Save(const AttachRecord& record, StatusCallback done) {
  const auto then = [this, record, done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) return done(status);
    WriteRecord(record, done);
  };
  // The Secret first: what the record calls attached has its credentials, and what it does not know has none.
  const bool leaves = record.state == AttachState::kDetaching || record.state == AttachState::kOrphaned;
  if (!record.key.empty() && !leaves) return WriteSecret(record, then);
  if (record.state == AttachState::kDetached && !secret_in_use_) return RemoveSecret(then);
  then(absl::OkStatus());
}

void KubeAttachStore::WriteSecret(const AttachRecord& record, const StatusCallback& done) {
  Json secret = {
      {"metadata",
       {{"labels", place_.labels},
        {"ownerReferences", Json::array({Json({{"apiVersion", kube::ApiVersion(kube::kIotGateways)},
                                               {"kind", kube::kIotGateways.kind},
                                               {"name", kube::NameOf(place_.gateway)},
                                               {"uid", kube::UidOf(place_.gateway)},
                                               {"controller", true}})})}}},
      {"data", SecretData(record)}};
  GetSecret([this, secret = std::move(secret), done](const absl::StatusOr<Json>& found) {
    if (!found.ok()) return done(found.status());
    const auto answered =
        lifetime_.Guard([done](const absl::StatusOr<Json>& answer) { done(answer.status()); });
    if (found->is_null()) return api_.Create(SecretRef(), secret, answered);
    api_.Patch(SecretRef(), kube::PatchType::kMerge, secret, answered);
  });
}

void KubeAttachStore::RemoveSecret(const StatusCallback& done) {
  GetSecret([this, done](const absl::StatusOr<Json>& found) {
    // Somebody else's is not ours to remove.
    if (absl::IsFailedPrecondition(found.status())) return done(absl::OkStatus());
    if (!found.ok() || found->is_null()) return done(found.status());
    kube::DeleteOptions options;
    options.uid = kube::UidOf(*found);
    api_.Delete(SecretRef(), options, lifetime_.Guard([done](const absl::Status& status) {
      done(absl::IsNotFound(status) ? absl::OkStatus() : status);
    }));
  });
}

void KubeAttachStore::WriteRecord(const AttachRecord& record, const StatusCallback& done) {
  const bool nothing = record == AttachRecord{};
  const Json entry = nothing ? Json() : JsonOf(place_.host, place_.server, record);
  const Json patch = {{"metadata", {{"uid", kube::UidOf(place_.gateway)}}},
                      {"status", {{"attachments", {{AttachmentKey(place_.host, place_.server), entry}}}}}};
  kube::ObjectRef ref{kube::kIotGateways, kube::NamespaceOf(place_.gateway), kube::NameOf(place_.gateway),
                      "status"};
  api_.Patch(ref, kube::PatchType::kMerge, patch,
             lifetime_.Guard([this, nothing, done](absl::StatusOr<Json> answer) {
               if (nothing && absl::IsNotFound(answer.status())) return done(absl::OkStatus());
               if (!answer.ok()) return done(answer.status());
               written_(*std::move(answer));
               done(absl::OkStatus());
             }));
}

}  // namespace slicelet::provider
