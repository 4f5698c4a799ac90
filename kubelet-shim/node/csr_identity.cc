#include "kubelet-shim/node/csr_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/backoff.h"
#include "common/base/encoding.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "kube/object.h"

namespace slicelet::shim {
namespace {

using kube::Json;

constexpr char kClientSigner[] = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr char kServingSigner[] = "kubernetes.io/kubelet-serving";
constexpr Backoff::Options kRetry{std::chrono::seconds(1), std::chrono::minutes(5)};
/// How often a request is looked at, from the first to the slowest. The signer needs a few milliseconds.
constexpr Duration kFirstLook = std::chrono::milliseconds(50);
constexpr Duration kSlowestLook = std::chrono::seconds(5);
constexpr Duration kSoonestRenewal = std::chrono::seconds(30);
/// A clock that was set may have ended a certificate long before its time.
constexpr Duration kLongestSleep = std::chrono::hours(1);

bool HasCondition(const Json& request, const std::string& type) {
  const Json& conditions = GetArray(request, "/status/conditions");
  return std::any_of(conditions.begin(), conditions.end(),
                     [&](const Json& condition) { return kube::TextAt(condition, {"type"}) == type; });
}

}  // namespace

/// One certificate of one node: create -> approve -> look until signed -> wait for renewal -> create ...
class CsrIdentity::Keeper {
 public:
  Keeper(CsrIdentity& owner, std::string node, CertificateTemplate contents, kube::KubeApi& requester,
         std::shared_ptr<kube::KubeApi> held, OnCertificate on_certificate)
      : loop_(owner.loop_),
        clock_(owner.clock_),
        random_(owner.random_),
        controller_(owner.controller_),
        requester_(requester),
        held_(std::move(held)),
        node_(std::move(node)),
        contents_(std::move(contents)),
        on_certificate_(std::move(on_certificate)),
        backoff_(kRetry, owner.random_),
        timer_(owner.loop_) {}

  void Begin() {
    contents_.common_name = "system:node:" + node_;
    contents_.organizations = {"system:nodes"};
    key_ = GenerateTlsKeyPem();
    const auto request = MakeCertificateRequest(key_, contents_);
    if (!request.ok()) return Fail(request.status());
    encoded_ = Base64Encode(*request);
    name_ = "slicelet-" + node_ + (contents_.server ? "-serving-" : "-client-") + random_.Hex(4);
    began_ = loop_.Now();
    look_ = kFirstLook;
    // Usages of an EC key: no key encipherment.
    const Json object = {
        {"metadata", {{"name", name_}}},
        {"spec",
         {{"request", encoded_},
          {"signerName", contents_.server ? kServingSigner : kClientSigner},
          {"usages", {"digital signature", contents_.server ? "server auth" : "client auth"}}}}};
    requester_.Create({kube::kCertificateSigningRequests, "", name_, ""}, object,
                      lifetime_.Guard([this](absl::StatusOr<Json> created) {
                        if (!created.ok()) return Fail(created.status());
                        uid_ = kube::UidOf(*created);
                        Approve(*std::move(created));
                      }));
  }

 private:
  void Approve(Json request) {
    request["status"]["conditions"].push_back(
        {{"type", "Approved"},
         {"status", "True"},
         {"reason", "SliceNode"},
         {"message", "requested by the shim for its slice node " + node_}});
    controller_.Update(
        {kube::kCertificateSigningRequests, "", name_, "approval"}, request,
        lifetime_.Guard([this](const absl::StatusOr<Json>& answer) {
          if (absl::IsPermissionDenied(answer.status())) {
            LogWarning("may not approve, waiting for somebody who may: kubectl certificate approve " + name_,
                       {{"node", node_}});
            forbidden_ = true;
          }
          LookLater();
        }));
  }

  void LookLater() {
    timer_.Set(look_, [this] { Look(); });
    look_ = std::min(look_ * 2, kSlowestLook);
  }

  void Look() {
    requester_.Get(
        {kube::kCertificateSigningRequests, "", name_, ""},
        lifetime_.Guard([this](absl::StatusOr<Json> answer) {
          if (absl::IsNotFound(answer.status())) return Fail(answer.status());
          if (answer.ok()) {
            const Json& request = *answer;
            if (kube::UidOf(request) != uid_ || kube::TextAt(request, {"spec", "request"}) != encoded_) {
              return Fail(absl::AbortedError(name_ + " is somebody else's request by now"));
            }
            for (const char* type : {"Denied", "Failed"}) {
              if (HasCondition(request, type))
                return Fail(absl::PermissionDeniedError(name_ + " was answered " + type));
            }
            const std::string certificate = kube::TextAt(request, {"status", "certificate"});
            if (!certificate.empty()) return Take(certificate);
            if (!HasCondition(request, "Approved") && !forbidden_) return Approve(*std::move(answer));
          }
          if (loop_.Now() - began_ >= kPatience) {
            return Fail(absl::DeadlineExceededError(name_ + " has not been approved and signed"));
          }
          LookLater();
        }));
  }

  void Take(const std::string& encoded) {
    const auto pem = Base64Decode(encoded);
    const auto info = pem.ok() ? ReadCertificate(*pem) : absl::StatusOr<CertificateInfo>(pem.status());
    if (!info.ok()) return Fail(WithContext(info.status(), name_));
    if (info->common_name != contents_.common_name) {
      return Fail(absl::InternalError(name_ + " was signed for \"" + info->common_name + "\""));
    }
    backoff_.Reset();
    const Duration life = info->not_after - info->not_before;
    // 70 to 90 % of the whole life, counted back from its end on our clock; one that is behind does not
    // prolong it.
    const auto percent = static_cast<Duration::rep>(10 + random_.Below(21));
    const WallTime now = clock_.Now();
    renew_at_ = std::max(std::min(info->not_after, now + life) - life / 100 * percent, now + kSoonestRenewal);
    LogInfo("certificate issued", {{"node", node_},
                                   {"use", contents_.server ? "serving" : "client"},
                                   {"until", FormatTime(info->not_after)},
                                   {"fingerprint", info->fingerprint.substr(0, 12)}});
    deadline_ = loop_.Now() + (renew_at_ - now);
    SleepUntilRenewal();
    // Last: the receiver may retire this node.
    on_certificate_({*pem, key_});
  }

  void SleepUntilRenewal() {
    const Duration left = std::min<Duration>(renew_at_ - clock_.Now(), deadline_ - loop_.Now());
    if (left <= Duration::zero()) return Begin();
    timer_.Set(std::min(left, kLongestSleep), [this] { SleepUntilRenewal(); });
  }

  void Fail(const absl::Status& status) {
    LogWarning(
        "no certificate",
        {{"node", node_}, {"use", contents_.server ? "serving" : "client"}, {"error", Describe(status)}});
    timer_.Set(backoff_.Next(), [this] { Begin(); });
  }

  Loop& loop_;
  Clock& clock_;
  Random& random_;
  kube::KubeApi& controller_;
  kube::KubeApi& requester_;
  const std::shared_ptr<kube::KubeApi> held_;
  const std::string node_;
  CertificateTemplate contents_;
  const OnCertificate on_certificate_;
  Backoff backoff_;
  Timer timer_;
  std::string key_;
  std::string encoded_;
  std::string name_;
  std::string uid_;
  MonotonicTime began_{};
  /// By either clock: the wall's may be set, the loop's stands while the machine sleeps.
  WallTime renew_at_{};
  MonotonicTime deadline_{};
  Duration look_{};
  bool forbidden_ = false;
  Lifetime lifetime_;
};

CsrIdentity::CsrIdentity(Loop& loop, Clock& clock, Random& random, kube::KubeApi& controller)
    : loop_(loop), clock_(clock), random_(random), controller_(controller) {}

CsrIdentity::~CsrIdentity() = default;

void CsrIdentity::KeepClientCertificate(const std::string& node, OnCertificate on_certificate) {
  CertificateTemplate contents;
  contents.client = true;
  auto& keeper = keepers_[{node, false}];
  keeper = std::make_unique<Keeper>(*this, node, std::move(contents), controller_, nullptr,
                                    std::move(on_certificate));
  keeper->Begin();
}

void CsrIdentity::KeepServingCertificate(const std::string& node,
                                         const std::vector<std::string>& ip_addresses,
                                         const std::vector<std::string>& dns_names,
                                         std::shared_ptr<kube::KubeApi> node_api,
                                         OnCertificate on_certificate) {
  CertificateTemplate contents;
  contents.server = true;
  contents.ip_addresses = ip_addresses;
  contents.dns_names = dns_names;
  kube::KubeApi& requester = *node_api;
  auto& keeper = keepers_[{node, true}];
  keeper = std::make_unique<Keeper>(*this, node, std::move(contents), requester, std::move(node_api),
                                    std::move(on_certificate));
  keeper->Begin();
}

void CsrIdentity::Retire(const std::string& node) {
  keepers_.erase({node, false});
  keepers_.erase({node, true});
}

}  // namespace slicelet::shim
