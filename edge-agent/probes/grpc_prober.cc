#include "edge-agent/probes/grpc_prober.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "edge-agent/runtime/grpc_calls.h"
#include "health/v1/health.grpc.pb.h"

namespace slicelet::agent {
namespace {

namespace health = grpc::health::v1;

constexpr char kUserAgent[] = "kube-probe/slicelet";
constexpr int kLargestAnswer = 64 * 1024;

absl::Status Plain(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

/// An address that is never looked up: pods have IPs, and a name would cost a resolver.
std::string Target(const std::string& host, std::int32_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "ipv6:[" + host + "]:" : "ipv4:" + host + ":") + std::to_string(port);
}

std::shared_ptr<grpc::Channel> Open(const std::string& target) {
  grpc::ChannelArguments arguments;
  // Every check connects anew: a connection shared with the check before would hand on its failure and
  // back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(kLargestAnswer);
  arguments.SetUserAgentPrefix(kUserAgent);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status Judge(const absl::Status& status, const health::HealthCheckResponse& response,
                   const std::string& target, const std::string& service) {
  if (absl::IsDeadlineExceeded(status))
    return absl::DeadlineExceededError("timeout: health rpc to " + target + " did not complete in time");
  if (absl::IsUnimplemented(status)) {
    return absl::FailedPreconditionError(
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)");
  }
  if (absl::IsUnavailable(status))
    return absl::UnavailableError("error: failed to connect to " + target + ": " + Message(status));
  if (absl::IsNotFound(status))
    return absl::FailedPreconditionError("error: the server knows no service \"" + service + "\"");
  if (!status.ok()) return absl::FailedPreconditionError("error: health rpc failed: " + Describe(status));
  if (response.status() == health::HealthCheckResponse::SERVING) return absl::OkStatus();
  std::string answer = health::HealthCheckResponse::ServingStatus_Name(response.status());
  if (answer.empty()) answer = std::to_string(static_cast<int>(response.status()));
  return absl::FailedPreconditionError("service unhealthy (responded with \"" + answer + "\")");
}

class GrpcProber : public Prober {
 public:
  GrpcProber(Loop& loop, std::unique_ptr<Prober> others)
      : others_(std::move(others)), caller_(loop, &Plain) {}

  void Check(const v1::Handler& handler, const std::string& host, Duration timeout,
             StatusCallback done) override {
    if (!handler.has_grpc()) {
      others_->Check(handler, host, timeout, std::move(done));
      return;
    }
    const std::string target = Target(host, handler.grpc().port());
    const std::shared_ptr<grpc::Channel> channel = Open(target);
    const std::shared_ptr<health::Health::Stub> stub = health::Health::NewStub(channel);
    health::HealthCheckRequest request;
    request.set_service(handler.grpc().service());
    caller_.Call<health::HealthCheckRequest, health::HealthCheckResponse>(
        [&stub](auto... arguments) { stub->async()->Check(arguments...); }, std::move(request), timeout,
        // The stub holds the channel, which has to end on the loop.
        [stub, target, service = handler.grpc().service(), done = std::move(done)](
            const absl::Status& status, health::HealthCheckResponse& response) {
          done(Judge(status, response, target, service));
        });
  }

 private:
  const std::unique_ptr<Prober> others_;
  Caller caller_;
};

}  // namespace

std::unique_ptr<Prober> MakeGrpcProber(Loop& loop, std::unique_ptr<Prober> others) {
  return std::make_unique<GrpcProber>(loop, std::move(others));
}

}  // namespace slicelet::agent
