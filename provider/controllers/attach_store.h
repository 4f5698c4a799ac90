#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "kube/kube_api.h"
#include "provider/attach/attacher.h"
#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The record of one attachment as status.attachments tells it, and back. Without its key.
Json JsonOf(const std::string& host, const std::string& server, const AttachRecord& record);
AttachRecord RecordOf(const Json& json);

/// Keeps the record of one attachment with its gateway: everything but the key in the gateway's status, the
/// key in a Secret that belongs to the gateway and tells its exporter where to publish. The attachments of a
/// fleet's gateway share a Secret, in which each has keys of its host ("gw-1.SENML_SERVER").
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
    /// PEM authorities for ssl; "" for those of its image.
    std::string ca;
    std::function<std::string(const std::string& channel)> topic;
  };
  using Written = std::function<void(Json gateway)>;

  /// `written` is called with what the API server made of each write. `api` must outlive it.
  KubeAttachStore(kube::KubeApi& api, Place place, Written written);

  void SetExport(Export to) { export_ = std::move(to); }
  struct Form {
    /// The gateway runs on a fleet's hosts.
    bool per_host = false;
    /// What of the Secret would be this attachment's tells the exporter of another one now: it stays when
    /// this one ends.
    bool in_use = false;
    friend bool operator==(const Form&, const Form&) = default;
  };
  void SetForm(const Form& form);

  /// The key of a record that was read; "" when the Secret does not say all that it should.
  void ReadKey(const AttachRecord& record, Callback<std::string> done);
  void Save(const AttachRecord& record, StatusCallback done) override;

  /// What is under way takes no further step, and nobody hears of it. `then`: a write that was sent before is
  /// answered, so that it can not come after what is written next. Nothing is to be asked for until then.
  void Stop(std::function<void()> then);

 private:
  /// The answer to a write; `next` follows unless `Stop` came first.
  template <typename Function>
  auto Sent(Function next) {
    writing_ = true;
    return lifetime_.Guard([this, next = going_->Guard(std::move(next))](auto&& answer) mutable {
      writing_ = false;
      if (stopped_) return std::exchange(stopped_, nullptr)();
      next(std::forward<decltype(answer)>(answer));
    });
  }
  [[nodiscard]] kube::ObjectRef SecretRef(bool per_host) const;
  [[nodiscard]] Json SecretData(const AttachRecord& record) const;
  /// What a Secret of that form holds for this attachment.
  [[nodiscard]] Json OwnData(const Json& secret, bool per_host) const;
  void WriteSecret(const AttachRecord& record, const StatusCallback& done);
  void PutSecret(const AttachRecord& record, const StatusCallback& done);
  /// What a Secret of that form holds for this attachment, and the Secret when nothing else is in it.
  void Remove(bool per_host, const StatusCallback& done);
  void RemoveEmpty(const Json& secret, const StatusCallback& done);
  /// That of both forms, but for what is in use.
  void RemoveAll(const StatusCallback& done);
  void WriteRecord(const AttachRecord& record, const StatusCallback& done);
  /// The Secret if it is the gateway's: null without one, FailedPrecondition when it is somebody else's.
  void GetSecret(bool per_host, const Callback<Json>& done);

  kube::KubeApi& api_;
  const Place place_;
  const Written written_;
  Export export_;
  Form form_;
  /// Nothing is left of the other form, in which the gateway was attached before its target was changed.
  bool other_form_gone_ = false;
  bool writing_ = false;
  /// Waits for the answer to the last write.
  std::function<void()> stopped_;
  /// Of what is under way; `Stop` begins a new one.
  std::unique_ptr<Lifetime> going_ = std::make_unique<Lifetime>();
  Lifetime lifetime_;
};

}  // namespace slicelet::provider
