#include "edge-agent/runtime/cri_runtime.h"

#include <grpcpp/grpcpp.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/json/json.h"
#include "cri/v1/runtime.grpc.pb.h"
#include "edge-agent/runtime/cri_convert.h"
#include "edge-agent/runtime/cri_events.h"
#include "edge-agent/runtime/cri_status.h"
#include "edge-agent/runtime/grpc_calls.h"

namespace slicelet::agent {
namespace {

namespace v1 = runtime::v1;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kMaxMessageBytes = 16 * 1024 * 1024;
constexpr Duration kQuestion = seconds(30);
constexpr Duration kChange = minutes(4);
constexpr Duration kBeyondGrace = minutes(2);
constexpr Duration kPull = minutes(30);
constexpr Duration kBeyondExec = seconds(10);

constexpr int kFirstReconnectMs = 100;
constexpr int kLastReconnectMs = 1'000;

absl::Status GoneIsFine(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

std::int64_t CeilSeconds(Duration duration) {
  const auto whole = std::chrono::duration_cast<seconds>(duration);
  return whole.count() + (whole < duration ? 1 : 0);
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMs);
  // A proxy in the environment must not stand between us and a local socket.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel("unix://" + socket, grpc::InsecureChannelCredentials(), arguments);
}

class CriRuntime : public ContainerRuntime {
 public:
  CriRuntime(const std::string& socket, Loop& loop)
      : channel_(OpenChannel(socket)),
        runtime_(v1::RuntimeService::NewStub(channel_)),
        images_(v1::ImageService::NewStub(channel_)),
        caller_(loop, &cri::FromGrpc) {}

  void GetInfo(Callback<RuntimeInfo> done) override {
    Runtime<v1::VersionRequest, v1::VersionResponse>(
        &RuntimeStub::Version, {}, kQuestion,
        [this, done = std::move(done)](const absl::Status& status, v1::VersionResponse& version) {
          if (!status.ok()) {
            done(status);
            return;
          }
          RuntimeInfo info;
          info.name = version.runtime_name();
          info.version = version.runtime_version();
          GetConditions(std::move(info), done);
        });
  }

  void RunSandbox(const SandboxConfig& config, Callback<std::string> done) override {
    v1::RunPodSandboxRequest request;
    *request.mutable_config() = cri::ToCri(config);
    Runtime<v1::RunPodSandboxRequest, v1::RunPodSandboxResponse>(
        &RuntimeStub::RunPodSandbox, std::move(request), kChange,
        Answer<std::string, v1::RunPodSandboxResponse>(
            std::move(done), [](auto& response) { return response.pod_sandbox_id(); }));
  }

  void StopSandbox(const std::string& id, StatusCallback done) override {
    v1::StopPodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    Runtime<v1::StopPodSandboxRequest, v1::StopPodSandboxResponse>(
        &RuntimeStub::StopPodSandbox, std::move(request), kChange, Gone<v1::StopPodSandboxResponse>(done));
  }

  void RemoveSandbox(const std::string& id, StatusCallback done) override {
    v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    Runtime<v1::RemovePodSandboxRequest, v1::RemovePodSandboxResponse>(
        &RuntimeStub::RemovePodSandbox, std::move(request), kChange,
        Gone<v1::RemovePodSandboxResponse>(done));
  }

  void GetSandbox(const std::string& id, Callback<SandboxStatus> done) override {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(id);
    Runtime<v1::PodSandboxStatusRequest, v1::PodSandboxStatusResponse>(
        &RuntimeStub::PodSandboxStatus, std::move(request), kQuestion,
        Answer<SandboxStatus, v1::PodSandboxStatusResponse>(
            std::move(done), [](auto& response) { return cri::FromCri(response.status()); }));
  }

  void ListSandboxes(Callback<std::vector<Sandbox>> done) override {
    Runtime<v1::ListPodSandboxRequest, v1::ListPodSandboxResponse>(
        &RuntimeStub::ListPodSandbox, {}, kQuestion,
        Answer<std::vector<Sandbox>, v1::ListPodSandboxResponse>(std::move(done), [](auto& response) {
          std::vector<Sandbox> ours;
          for (const auto& sandbox : response.items()) {
            if (sandbox.labels().count(kManagedLabel) != 0) ours.push_back(cri::FromCri(sandbox));
          }
          return ours;
        }));
  }

  void CreateContainer(const std::string& sandbox_id, const ContainerConfig& config,
                       const SandboxConfig& sandbox, Callback<std::string> done) override {
    v1::CreateContainerRequest request;
    request.set_pod_sandbox_id(sandbox_id);
    *request.mutable_config() = cri::ToCri(config);
    *request.mutable_sandbox_config() = cri::ToCri(sandbox);
    Runtime<v1::CreateContainerRequest, v1::CreateContainerResponse>(
        &RuntimeStub::CreateContainer, std::move(request), kChange,
        Answer<std::string, v1::CreateContainerResponse>(
            std::move(done), [](auto& response) { return response.container_id(); }));
  }

  void StartContainer(const std::string& id, StatusCallback done) override {
    v1::StartContainerRequest request;
    request.set_container_id(id);
    Runtime<v1::StartContainerRequest, v1::StartContainerResponse>(
        &RuntimeStub::StartContainer, std::move(request), kChange,
        [done = std::move(done)](const absl::Status& status, v1::StartContainerResponse&) { done(status); });
  }

  void StopContainer(const std::string& id, Duration grace, StatusCallback done) override {
    v1::StopContainerRequest request;
    request.set_container_id(id);
    request.set_timeout(CeilSeconds(grace));
    Runtime<v1::StopContainerRequest, v1::StopContainerResponse>(&RuntimeStub::StopContainer,
                                                                 std::move(request), grace + kBeyondGrace,
                                                                 Gone<v1::StopContainerResponse>(done));
  }

  void RemoveContainer(const std::string& id, StatusCallback done) override {
    v1::RemoveContainerRequest request;
    request.set_container_id(id);
    Runtime<v1::RemoveContainerRequest, v1::RemoveContainerResponse>(
        &RuntimeStub::RemoveContainer, std::move(request), kChange, Gone<v1::RemoveContainerResponse>(done));
  }

  void GetContainer(const std::string& id, Callback<Container> done) override {
    v1::ContainerStatusRequest request;
    request.set_container_id(id);
    Runtime<v1::ContainerStatusRequest, v1::ContainerStatusResponse>(
        &RuntimeStub::ContainerStatus, std::move(request), kQuestion,
        Answer<Container, v1::ContainerStatusResponse>(
            std::move(done), [](auto& response) { return cri::FromCri(response.status()); }));
  }

  void ListContainers(Callback<std::vector<Container>> done) override {
    Runtime<v1::ListContainersRequest, v1::ListContainersResponse>(
        &RuntimeStub::ListContainers, {}, kQuestion,
        Answer<std::vector<Container>, v1::ListContainersResponse>(std::move(done), [](auto& response) {
          std::vector<Container> ours;
          for (const auto& container : response.containers()) {
            if (container.labels().count(kManagedLabel) != 0) ours.push_back(cri::FromCri(container));
          }
          return ours;
        }));
  }

  void ReopenLog(const std::string& id, StatusCallback done) override {
    v1::ReopenContainerLogRequest request;
    request.set_container_id(id);
    Runtime<v1::ReopenContainerLogRequest, v1::ReopenContainerLogResponse>(
        &RuntimeStub::ReopenContainerLog, std::move(request), kQuestion,
        [done = std::move(done)](const absl::Status& status, v1::ReopenContainerLogResponse&) {
          done(status);
        });
  }

  void ExecSync(const std::string& id, const std::vector<std::string>& command, Duration timeout,
                Callback<ExecResult> done) override {
    v1::ExecSyncRequest request;
    request.set_container_id(id);
    for (const auto& word : command) request.add_cmd(word);
    request.set_timeout(CeilSeconds(timeout));
    Runtime<v1::ExecSyncRequest, v1::ExecSyncResponse>(
        &RuntimeStub::ExecSync, std::move(request), timeout + kBeyondExec,
        Answer<ExecResult, v1::ExecSyncResponse>(std::move(done), [](auto& response) {
          return ExecResult{response.exit_code(), std::move(*response.mutable_stdout()),
                            std::move(*response.mutable_stderr())};
        }));
  }

  void GetImage(const std::string& name, Callback<Image> done) override {
    v1::ImageStatusRequest request;
    request.mutable_image()->set_image(name);
    Images<v1::ImageStatusRequest, v1::ImageStatusResponse>(
        &ImageStub::ImageStatus, std::move(request), kQuestion,
        [name, done = std::move(done)](const absl::Status& status, v1::ImageStatusResponse& response) {
          if (!status.ok())
            done(status);
          else if (response.image().id().empty())
            done(absl::NotFoundError("image " + name + " is not on the host"));
          else
            done(cri::FromCri(response.image()));
        });
  }

  void PullImage(const std::string& name, const std::optional<RegistryAuth>& auth,
                 Callback<std::string> done) override {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(name);
    if (auth) *request.mutable_auth() = cri::ToCri(*auth);
    Images<v1::PullImageRequest, v1::PullImageResponse>(
        &ImageStub::PullImage, std::move(request), kPull,
        Answer<std::string, v1::PullImageResponse>(std::move(done),
                                                   [](auto& response) { return response.image_ref(); }));
  }

  void ListImages(Callback<std::vector<Image>> done) override {
    Images<v1::ListImagesRequest, v1::ListImagesResponse>(
        &ImageStub::ListImages, {}, kQuestion,
        Answer<std::vector<Image>, v1::ListImagesResponse>(std::move(done), [](auto& response) {
          std::vector<Image> all;
          for (const auto& image : response.images()) all.push_back(cri::FromCri(image));
          return all;
        }));
  }

  void RemoveImage(const std::string& id, StatusCallback done) override {
    v1::RemoveImageRequest request;
    request.mutable_image()->set_image(id);
    Images<v1::RemoveImageRequest, v1::RemoveImageResponse>(&ImageStub::RemoveImage, std::move(request),
                                                            kChange, Gone<v1::RemoveImageResponse>(done));
  }

  void ListUsedImages(Callback<std::vector<std::string>> done) override {
    Runtime<v1::ListContainersRequest, v1::ListContainersResponse>(
        &RuntimeStub::ListContainers, {}, kQuestion,
        [this, done = std::move(done)](const absl::Status& status, v1::ListContainersResponse& response) {
          if (!status.ok()) {
            done(status);
            return;
          }
          std::vector<std::string> used;
          for (const auto& container : response.containers()) {
            used.push_back(container.image_ref());
            used.push_back(container.image().image());
          }
          AddSandboxImage(std::move(used), done);
        });
  }

  void GetImageRoot(Callback<std::string> done) override {
    Images<v1::ImageFsInfoRequest, v1::ImageFsInfoResponse>(
        &ImageStub::ImageFsInfo, {}, kQuestion,
        [done = std::move(done)](const absl::Status& status, v1::ImageFsInfoResponse& response) {
          if (!status.ok())
            done(status);
          else if (response.image_filesystems().empty())
            done(absl::NotFoundError("the container runtime names no file system of images"));
          else
            done(response.image_filesystems(0).fs_id().mountpoint());
        });
  }

  void ExecUrl(const ExecOptions& options, Callback<std::string> done) override {
    v1::ExecRequest request;
    request.set_container_id(options.container_id);
    for (const auto& word : options.command) request.add_cmd(word);
    request.set_stdin(options.stdin_open);
    request.set_stdout(options.out);
    request.set_stderr(options.err);
    request.set_tty(options.tty);
    Runtime<v1::ExecRequest, v1::ExecResponse>(&RuntimeStub::Exec, std::move(request), kQuestion,
                                               Url<v1::ExecResponse>(std::move(done)));
  }

  void AttachUrl(const ExecOptions& options, Callback<std::string> done) override {
    v1::AttachRequest request;
    request.set_container_id(options.container_id);
    request.set_stdin(options.stdin_open);
    request.set_stdout(options.out);
    request.set_stderr(options.err);
    request.set_tty(options.tty);
    Runtime<v1::AttachRequest, v1::AttachResponse>(&RuntimeStub::Attach, std::move(request), kQuestion,
                                                   Url<v1::AttachResponse>(std::move(done)));
  }

  void PortForwardUrl(const std::string& sandbox_id, const std::vector<std::int32_t>& ports,
                      Callback<std::string> done) override {
    v1::PortForwardRequest request;
    request.set_pod_sandbox_id(sandbox_id);
    for (const auto port : ports) request.add_port(port);
    Runtime<v1::PortForwardRequest, v1::PortForwardResponse>(&RuntimeStub::PortForward, std::move(request),
                                                             kQuestion,
                                                             Url<v1::PortForwardResponse>(std::move(done)));
  }

  void OnWakeUp(std::function<void(WakeUp)> wake_up) override {
    events_.emplace(channel_, caller_, std::move(wake_up));
  }

 private:
  using RuntimeStub = v1::RuntimeService::StubInterface::async_interface;
  using ImageStub = v1::ImageService::StubInterface::async_interface;
  template <typename Stub, typename Request, typename Response>
  using Method = void (Stub::*)(grpc::ClientContext*, const Request*, Response*,
                                std::function<void(grpc::Status)>);

  template <typename Request, typename Response>
  void Runtime(Method<RuntimeStub, Request, Response> method, Request request, Duration timeout,
               std::function<void(absl::Status, Response&)> done) {
    caller_.Call<Request, Response>(
        [this, method](auto* context, auto* in, auto* out, auto callback) {
          (runtime_->async()->*method)(context, in, out, std::move(callback));
        },
        std::move(request), timeout, std::move(done));
  }

  template <typename Request, typename Response>
  void Images(Method<ImageStub, Request, Response> method, Request request, Duration timeout,
              std::function<void(absl::Status, Response&)> done) {
    caller_.Call<Request, Response>(
        [this, method](auto* context, auto* in, auto* out, auto callback) {
          (images_->async()->*method)(context, in, out, std::move(callback));
        },
        std::move(request), timeout, std::move(done));
  }

  /// Hands on the error, or what `convert` makes of the response.
  template <typename Result, typename Response, typename Convert>
  static std::function<void(absl::Status, Response&)> Answer(Callback<Result> done, Convert convert) {
    return [done = std::move(done), convert = std::move(convert)](const absl::Status& status,
                                                                  Response& response) {
      if (status.ok())
        done(convert(response));
      else
        done(status);
    };
  }

  template <typename Response>
  static std::function<void(absl::Status, Response&)> Url(Callback<std::string> done) {
    return Answer<std::string, Response>(std::move(done), [](Response& response) { return response.url(); });
  }

  /// For stopping and removing: what does not exist any more is done.
  template <typename Response>
  static std::function<void(absl::Status, Response&)> Gone(StatusCallback done) {
    return [done = std::move(done)](const absl::Status& status, Response&) { done(GoneIsFine(status)); };
  }

  /// Older runtimes do not mark the image of sandboxes as pinned. Without it no pod would start offline.
  void AddSandboxImage(std::vector<std::string> used, const Callback<std::vector<std::string>>& done) {
    v1::StatusRequest request;
    request.set_verbose(true);
    Runtime<v1::StatusRequest, v1::StatusResponse>(
        &RuntimeStub::Status, std::move(request), kQuestion,
        Answer<std::vector<std::string>, v1::StatusResponse>(
            done, [used = std::move(used)](v1::StatusResponse& response) {
              std::vector<std::string> all = used;
              const Json config = ParseJson((*response.mutable_info())["config"]).value_or(Json());
              if (config.is_object() && config.value("sandboxImage", Json()).is_string())
                all.push_back(config["sandboxImage"].get<std::string>());
              return all;
            }));
  }

  void GetConditions(RuntimeInfo info, const Callback<RuntimeInfo>& done) {
    Runtime<v1::StatusRequest, v1::StatusResponse>(
        &RuntimeStub::Status, {}, kQuestion,
        Answer<RuntimeInfo, v1::StatusResponse>(done, [info = std::move(info)](v1::StatusResponse& response) {
          RuntimeInfo result = info;
          for (const auto& condition : response.status().conditions()) {
            if (condition.type() == "RuntimeReady") result.runtime_ready = condition.status();
            if (condition.type() == "NetworkReady") result.network_ready = condition.status();
            if (!condition.status()) {
              result.message += (result.message.empty() ? "" : "; ") + condition.type() + ": " +
                                condition.reason() + " " + condition.message();
            }
          }
          return result;
        }));
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::RuntimeService::Stub> runtime_;
  std::unique_ptr<v1::ImageService::Stub> images_;
  Caller caller_;
  std::optional<cri::RuntimeEvents> events_;
};

}  // namespace

std::unique_ptr<ContainerRuntime> MakeCriRuntime(const std::string& socket, Loop& loop) {
  return std::make_unique<CriRuntime>(socket, loop);
}

}  // namespace slicelet::agent
