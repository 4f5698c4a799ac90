#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kube/kube_api.h"
#include "provider/attach/attacher.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The record of one attachment as status.attachments tells it, and back. Without its key.
Json JsonOf(const std::string& host, const std::string& server, const AttachRecord& record);
AttachRecord RecordOf(const Json& json);

/// Keeps the record of one attachment with its gateway: everything but the key in the gateway's status, the
/// key in a Secret that belongs to the gateway and tells its exporter where to publish.
class KubeAttachStore : public AttachStore {
 public:
  struct Place {
    /// Of the gateway, as known when the attachment began.
    Json gateway;
    std::string host, server;
    /// What is made for the gateway carries them.
    Json labels;
  };
  /// What the exporter is told besides its identity.
  struct Export {
    /// SCHEME://HOST:PORT.
    std::string server;
    std::function<std::string(const std::string& channel)> topic;
  };
  using Written = std::function<void(Json gateway)>;

  /// `written` is called with what the API server made of each write. `api` must outlive it.
  KubeAttachStore(kube::KubeApi& api, Place place, Written written);

  void SetExport(Export to) { export_ = std::move(to); }
  /// The Secret now tells the exporter of another attachment: it stays when this one ends.
  void SetSecretInUse(bool in_use) { secret_in_use_ = in_use; }

  /// The key of a record that was read; "" when the Secret does not say all that it should.
  void ReadKey(const AttachRecord& record, Callback<std::string> done);
  void Save(const AttachRecord& record, StatusCallback done) override;

 private:
  [[nodiscard]] kube::ObjectRef SecretRef() const;
  [[nodiscard]] Json SecretData(const AttachRecord& record) const;
  void WriteSecret(const AttachRecord& record, const StatusCallback& done);
  void RemoveSecret(const StatusCallback& done);
  void WriteRecord(const AttachRecord& record, const StatusCallback& done);
  /// The Secret if it is the gateway's: null without one, FailedPrecondition when it is somebody else's.
  void GetSecret(const Callback<Json>& done);

  kube::KubeApi& api_;
  const Place place_;
  const Written written_;
  Export export_;
  bool secret_in_use_ = false;
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
