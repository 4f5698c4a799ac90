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
/// Those of a thousand hosts must fit into one object.
constexpr std::size_t kMaxMessage = 512;
constexpr char kCaFile[] = "ca.crt";
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

void KubeAttachStore::Stop(std::function<void()> then) {
  going_ = std::make_unique<Lifetime>();
  export_ = {};
  stopped_ = std::move(then);
  if (!writing_) std::exchange(stopped_, nullptr)();
}

void KubeAttachStore::SetForm(const Form& form) {
  if (form.per_host != form_.per_host) other_form_gone_ = false;
  form_ = form;
}

kube::ObjectRef KubeAttachStore::SecretRef(bool per_host) const {
  return {kube::kSecrets, kube::NamespaceOf(place_.gateway), ExportSecretOf(place_.gateway, per_host), ""};
}

Json KubeAttachStore::SecretData(const AttachRecord& record) const {
  const std::string prefix = form_.per_host ? place_.host + "." : "";
  Json data = {{prefix + "SENML_SERVER", Base64Encode(export_.server)},
               {prefix + "SENML_USERNAME", Base64Encode(record.identity)},
               {prefix + kPassword, Base64Encode(record.key)},
               // No other gateway has this identity, nor has it on another host.
               {prefix + "SENML_CLIENT_ID", Base64Encode(record.identity)},
               {prefix + "SENML_TOPIC", Base64Encode(export_.topic(record.channel))}};
  if (!export_.ca.empty()) {
    // A file beside the others.
    data[prefix + kCaFile] = Base64Encode(export_.ca);
    data[prefix + "SENML_CA_FILE"] = Base64Encode(std::string(kExportSettingsPath) + "/" + kCaFile);
  }
  return data;
}

Json KubeAttachStore::OwnData(const Json& secret, bool per_host) const {
  Json own = Json::object();
  const Json* data = kube::Find(secret, {"data"});
  if (data == nullptr || !data->is_object()) return own;
  for (const auto& [key, value] : data->items()) {
    if (!per_host || key.starts_with(place_.host + ".")) own[key] = value;
  }
  return own;
}

void KubeAttachStore::GetSecret(bool per_host, const Callback<Json>& done) {
  const kube::ObjectRef ref = SecretRef(per_host);
  api_.Get(ref, going_->Guard([this, ref, done](absl::StatusOr<Json> secret) {
    if (absl::IsNotFound(secret.status())) return done(Json());
    if (secret.ok() &&
        kube::TextAt(*secret, {"metadata", "labels", kGatewayLabel}) != kube::NameOf(place_.gateway)) {
      return done(absl::FailedPreconditionError("Secret " + ref.name +
                                                " is there and is not this gateway's: remove it"));
    }
    done(std::move(secret));
  }));
}

void KubeAttachStore::ReadKey(const AttachRecord& record, Callback<std::string> done) {
  GetSecret(form_.per_host, [this, record, per_host = form_.per_host,
                             done = std::move(done)](const absl::StatusOr<Json>& secret) {
    if (absl::IsFailedPrecondition(secret.status())) return done(std::string());
    if (!secret.ok()) return done(secret.status());
    const Json own = OwnData(*secret, per_host);
    const std::string prefix = per_host ? place_.host + "." : "";
    AttachRecord read = record;
    read.key = Base64Decode(kube::TextAt(own, {prefix + kPassword})).value_or("");
    const bool says_all = per_host == form_.per_host && own == SecretData(read);
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
  if (record.state == AttachState::kDetached) return RemoveAll(then);
  then(absl::OkStatus());
}

void KubeAttachStore::WriteSecret(const AttachRecord& record, const StatusCallback& done) {
  if (other_form_gone_) return PutSecret(record, done);
  // Before the one that counts is there: nobody would look for the other one then.
  Remove(!form_.per_host, [this, record, done](const absl::Status& status) {
    if (!status.ok()) return done(status);
    other_form_gone_ = true;
    PutSecret(record, done);
  });
}

void KubeAttachStore::PutSecret(const AttachRecord& record, const StatusCallback& done) {
  const bool per_host = form_.per_host;
  Json secret = {
      {"metadata",
       {{"labels", place_.labels},
        {"ownerReferences", Json::array({Json({{"apiVersion", kube::ApiVersion(kube::kIotGateways)},
                                               {"kind", kube::kIotGateways.kind},
                                               {"name", kube::NameOf(place_.gateway)},
                                               {"uid", kube::UidOf(place_.gateway)},
                                               {"controller", true}})})}}},
      {"data", SecretData(record)}};
  GetSecret(per_host, [this, per_host, record, secret = std::move(secret),
                       done](const absl::StatusOr<Json>& found) mutable {
    if (!found.ok()) return done(found.status());
    if (found->is_null()) {
      return api_.Create(SecretRef(per_host), secret,
                         Sent([this, record, done](const absl::StatusOr<Json>& answer) {
                           // The attachment of another host was faster: it is there now.
                           if (absl::IsAlreadyExists(answer.status())) return PutSecret(record, done);
                           done(answer.status());
                         }));
    }
    const Json own = OwnData(*found, per_host);
    for (const auto& [key, value] : own.items()) {
      if (!secret["data"].contains(key)) secret["data"][key] = nullptr;
    }
    api_.Patch(SecretRef(per_host), kube::PatchType::kMerge, secret,
               Sent([done](const absl::StatusOr<Json>& answer) { done(answer.status()); }));
  });
}

void KubeAttachStore::RemoveAll(const StatusCallback& done) {
  const bool per_host = form_.per_host;
  Remove(!per_host, [this, per_host, done](const absl::Status& status) {
    if (!status.ok() || form_.in_use) return done(status);
    Remove(per_host, done);
  });
}

void KubeAttachStore::Remove(bool per_host, const StatusCallback& done) {
  GetSecret(per_host, [this, per_host, done](const absl::StatusOr<Json>& found) {
    // Somebody else's is not ours to remove.
    if (absl::IsFailedPrecondition(found.status())) return done(absl::OkStatus());
    if (!found.ok() || found->is_null()) return done(found.status());
    const Json own = OwnData(*found, per_host);
    const Json* all = kube::Find(*found, {"data"});
    if (all == nullptr || own.size() == all->size()) return RemoveEmpty(*found, done);
    if (own.empty()) return done(absl::OkStatus());
    Json patch = {{"metadata", {{"uid", kube::UidOf(*found)}}}, {"data", Json::object()}};
    for (const auto& [key, value] : own.items()) patch["data"][key] = nullptr;
    api_.Patch(SecretRef(per_host), kube::PatchType::kMerge, patch,
               Sent([this, done](const absl::StatusOr<Json>& answer) {
                 if (absl::IsNotFound(answer.status())) return done(absl::OkStatus());
                 if (!answer.ok()) return done(answer.status());
                 const Json* left = kube::Find(*answer, {"data"});
                 if (left != nullptr && !left->empty()) return done(absl::OkStatus());
                 // The last of the others has left meanwhile.
                 RemoveEmpty(*answer, done);
               }));
  });
}

void KubeAttachStore::RemoveEmpty(const Json& secret, const StatusCallback& done) {
  kube::DeleteOptions options;
  options.uid = kube::UidOf(secret);
  // The attachment of another host may write its keys at the same time: then what this one was to remove may
  // be there still, and is looked for again.
  options.resource_version = kube::ResourceVersionOf(secret);
  kube::ObjectRef ref{kube::kSecrets, kube::NamespaceOf(secret), kube::NameOf(secret), ""};
  api_.Delete(ref, options, Sent([done](const absl::Status& status) {
                done(absl::IsNotFound(status) ? absl::OkStatus() : status);
              }));
}

void KubeAttachStore::WriteRecord(const AttachRecord& record, const StatusCallback& done) {
  const bool nothing = record == AttachRecord{};
  const Json entry = nothing ? Json() : JsonOf(place_.host, place_.server, record);
  const Json patch = {{"metadata", {{"uid", kube::UidOf(place_.gateway)}}},
                      {"status", {{"attachments", {{AttachmentKey(place_.host, place_.server), entry}}}}}};
  kube::ObjectRef ref{kube::kIotGateways, kube::NamespaceOf(place_.gateway), kube::NameOf(place_.gateway),
                      "status"};
  api_.Patch(ref, kube::PatchType::kMerge, patch, Sent([this, nothing, done](absl::StatusOr<Json> answer) {
               if (nothing && absl::IsNotFound(answer.status())) return done(absl::OkStatus());
               if (!answer.ok()) return done(answer.status());
               written_(*std::move(answer));
               done(absl::OkStatus());
             }));
}

}  // namespace slicelet::provider
