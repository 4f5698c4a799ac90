#include "edge-agent/runtime/cri_events.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/log/log.h"
#include "containerd/v1/events.grpc.pb.h"
#include "cri/v1/runtime.grpc.pb.h"
#include "edge-agent/runtime/cri_status.h"
#include "edge-agent/runtime/grpc_calls.h"

namespace slicelet::agent::cri {
namespace {

namespace events = containerd::services::events::v1;
namespace v1 = runtime::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kQuestionTimeout = seconds(30);
constexpr Duration kPollInterval = seconds(1);
constexpr Duration kFirstRetry = milliseconds(100);
constexpr Duration kLastRetry = seconds(5);
/// A stream that lasted this long was healthy.
constexpr Duration kHealthy = seconds(10);
/// containerd publishes an exit before its CRI plug-in has cleaned up and changed the state: 1 ms after the
/// deletion of the task as a rule, or never if the clean-up fails.
constexpr Duration kSettleFirst = milliseconds(1);
constexpr Duration kSettleAfterExit = milliseconds(250);
constexpr int kSettleTries = 11;  // doubling: about 2 s in all
/// A subscription is in force this long after its stream was opened; nothing in the protocol tells when.
constexpr Duration kSubscribed = milliseconds(50);

enum class What { kExit, kDelete };
struct Event {
  What what = What::kExit;
  std::string container_id;
};

std::optional<Event> Read(const events::Envelope& envelope) {
  if (envelope.topic() == "/tasks/exit") {
    events::TaskExit exit;
    if (!exit.ParseFromString(envelope.event().value())) return std::nullopt;
    // Also the end of an exec is announced here: probes would wake us all the time.
    if (!exit.id().empty() && exit.id() != exit.container_id()) return std::nullopt;
    return Event{What::kExit, exit.container_id()};
  }
  if (envelope.topic() == "/tasks/delete") {
    events::TaskDelete gone;
    if (!gone.ParseFromString(envelope.event().value())) return std::nullopt;
    if (!gone.id().empty() && gone.id() != gone.container_id()) return std::nullopt;
    return Event{What::kDelete, gone.container_id()};
  }
  return std::nullopt;
}

std::optional<Event> Read(const v1::ContainerEventResponse& event) {
  if (event.container_event_type() != v1::CONTAINER_STOPPED_EVENT) return std::nullopt;
  // CRI events are sent after the state changed.
  return Event{What::kDelete, event.container_id()};
}

/// One life of an event stream. Owned by gRPC until OnDone, which is the last to touch it.
template <typename Message>
class Stream : public grpc::ClientReadReactor<Message> {
 public:
  using OnEvent = std::function<void(Event)>;
  using OnEnd = std::function<void(absl::Status)>;

  Stream(Caller& caller, grpc::ClientContext* context, OnEvent on_event, OnEnd on_end)
      : caller_(caller), context_(context), on_event_(std::move(on_event)), on_end_(std::move(on_end)) {}

  grpc::ClientContext* context() { return context_; }
  Message& message() { return message_; }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (auto event = Read(message_)) {
      caller_.loop().Post([on_event = on_event_, event = *std::move(event)] { on_event(event); });
    }
    this->StartRead(&message_);
  }

  void OnDone(const grpc::Status& status) override {
    auto& caller = caller_;
    auto* context = context_;
    auto end = [on_end = std::move(on_end_), status = FromGrpc(status)] { on_end(status); };
    delete this;
    caller.pending().End(context, [&caller, &end] { caller.loop().Post(std::move(end)); });
  }

 private:
  Caller& caller_;
  grpc::ClientContext* const context_;
  const OnEvent on_event_;
  OnEnd on_end_;
  Message message_;
};

enum class Source { kContainerd, kCri, kPolling };

}  // namespace

struct RuntimeEvents::Impl {
  Impl(const std::shared_ptr<grpc::Channel>& channel, Caller& the_caller,
       std::function<void(ContainerRuntime::WakeUp)> on_wake_up)
      : caller(the_caller),
        wake_up(std::move(on_wake_up)),
        containerd_stub(events::Events::NewStub(channel)),
        cri_stub(v1::RuntimeService::NewStub(channel)),
        retry(the_caller.loop()),
        subscribed(the_caller.loop()) {}

  void Open() {
    opened = caller.loop().Now();
    switch (source) {
      case Source::kContainerd: {
        events::SubscribeRequest request;
        request.add_filters("namespace==k8s.io,topic==\"/tasks/exit\"");
        request.add_filters("namespace==k8s.io,topic==\"/tasks/delete\"");
        Begin<events::Envelope>([&](auto* stream) {
          subscribe_request = std::move(request);
          containerd_stub->async()->Subscribe(stream->context(), &subscribe_request, stream);
        });
        break;
      }
      case Source::kCri:
        Begin<v1::ContainerEventResponse>([&](auto* stream) {
          cri_stub->async()->GetContainerEvents(stream->context(), &events_request, stream);
        });
        break;
      case Source::kPolling:
        Poll();
        return;
    }
    subscribed.Set(kSubscribed, [this] { wake_up({}); });
  }

  template <typename Message, typename StartCall>
  void Begin(StartCall start) {
    auto* context = caller.pending().Begin();
    if (context == nullptr) return;
    auto* stream =
        new Stream<Message>(caller, context, lifetime.Guard([this](const Event& event) { OnEvent(event); }),
                            lifetime.Guard([this](const absl::Status& status) { OnEnd(status); }));
    start(stream);
    stream->StartRead(&stream->message());
    stream->StartCall();
  }

  void OnEnd(const absl::Status& status) {
    subscribed.Cancel();
    if (absl::IsUnimplemented(status)) {
      source = source == Source::kContainerd ? Source::kCri : Source::kPolling;
      LogInfo("container runtime has no such events, using the next best",
              {{"now", source == Source::kCri ? "CRI events" : "a listing every second"}});
      Open();
      return;
    }
    // What happened meanwhile is unknown: the next stream begins with an empty wake-up.
    if (caller.loop().Now() - opened > kHealthy) delay = kFirstRetry;
    LogInfo("container runtime's event stream ended", {{"error", Describe(status)}});
    retry.Set(delay, [this] { Open(); });
    delay = std::min(delay * 2, kLastRetry);
  }

  void OnEvent(const Event& event) {
    auto& settling_now = settling.try_emplace(event.container_id, caller.loop()).first->second;
    if (settling_now.asking) return;
    if (event.what == What::kDelete) {
      Ask(event.container_id);
    } else if (!settling_now.timer.armed()) {
      settling_now.timer.Set(kSettleAfterExit, [this, id = event.container_id] { Ask(id); });
    }
  }

  // ---- Wait until CRI's answers show what the event said ----

  void Ask(const std::string& id) {
    auto& entry = settling.at(id);
    entry.asking = true;
    entry.timer.Cancel();
    v1::ContainerStatusRequest request;
    request.set_container_id(id);
    caller.Call<v1::ContainerStatusRequest, v1::ContainerStatusResponse>(
        [this](auto... arguments) { cri_stub->async()->ContainerStatus(arguments...); }, request,
        kQuestionTimeout,
        lifetime.Guard([this, id](const absl::Status& status, v1::ContainerStatusResponse& response) {
          if (absl::IsNotFound(status)) {
            AskSandbox(id);
            return;
          }
          Settle(id, !status.ok() || response.status().state() != v1::CONTAINER_RUNNING);
        }));
  }

  void AskSandbox(const std::string& id) {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(id);
    caller.Call<v1::PodSandboxStatusRequest, v1::PodSandboxStatusResponse>(
        [this](auto... arguments) { cri_stub->async()->PodSandboxStatus(arguments...); }, request,
        kQuestionTimeout,
        lifetime.Guard([this, id](const absl::Status& status, v1::PodSandboxStatusResponse& response) {
          Settle(id, !status.ok() || response.status().state() != v1::SANDBOX_READY);
        }));
  }

  void Settle(const std::string& id, bool shows) {
    const auto it = settling.find(id);
    if (it == settling.end()) return;
    if (shows || it->second.tries >= kSettleTries) {
      settling.erase(it);
      wake_up({id});
      return;
    }
    it->second.asking = false;
    const Duration wait = kSettleFirst * (1 << it->second.tries++);
    it->second.timer.Set(wait, [this, id] { Ask(id); });
  }

  // ---- Without any events ----

  void Poll() {
    caller.Call<v1::ListContainersRequest, v1::ListContainersResponse>(
        [this](auto... arguments) { cri_stub->async()->ListContainers(arguments...); }, {}, kQuestionTimeout,
        lifetime.Guard([this](const absl::Status& status, v1::ListContainersResponse& containers) {
          if (!status.ok()) {
            Compare(std::nullopt);
            return;
          }
          std::map<std::string, int> states;
          for (const auto& container : containers.containers()) states[container.id()] = container.state();
          PollSandboxes(std::move(states));
        }));
  }

  void PollSandboxes(std::map<std::string, int> states) {
    caller.Call<v1::ListPodSandboxRequest, v1::ListPodSandboxResponse>(
        [this](auto... arguments) { cri_stub->async()->ListPodSandbox(arguments...); }, {}, kQuestionTimeout,
        lifetime.Guard([this, states = std::move(states)](const absl::Status& status,
                                                          v1::ListPodSandboxResponse& sandboxes) mutable {
          if (!status.ok()) {
            Compare(std::nullopt);
            return;
          }
          for (const auto& sandbox : sandboxes.items()) states[sandbox.id()] = sandbox.state();
          Compare(std::move(states));
        }));
  }

  void Compare(std::optional<std::map<std::string, int>> now) {
    retry.Set(kPollInterval, [this] { Poll(); });
    auto before = std::exchange(last, std::move(now));
    if (!last) return;
    if (!before) {
      wake_up({});
      return;
    }
    for (const auto& [id, state] : *before) {
      const auto it = last->find(id);
      if (it == last->end() || it->second != state) wake_up({id});
    }
  }

  struct Settling {
    explicit Settling(Loop& loop) : timer(loop) {}
    Timer timer;
    bool asking = false;
    int tries = 0;
  };

  Caller& caller;
  const std::function<void(ContainerRuntime::WakeUp)> wake_up;
  const std::unique_ptr<events::Events::Stub> containerd_stub;
  const std::unique_ptr<v1::RuntimeService::Stub> cri_stub;
  Source source = Source::kContainerd;
  events::SubscribeRequest subscribe_request;
  v1::GetEventsRequest events_request;
  MonotonicTime opened;
  Duration delay = kFirstRetry;
  Timer retry;
  Timer subscribed;
  std::map<std::string, Settling> settling;
  std::optional<std::map<std::string, int>> last;
  Lifetime lifetime;
};

RuntimeEvents::RuntimeEvents(std::shared_ptr<grpc::Channel> channel, Caller& caller,
                             std::function<void(ContainerRuntime::WakeUp)> wake_up)
    : impl_(std::make_shared<Impl>(channel, caller, std::move(wake_up))) {
  impl_->Open();
}

RuntimeEvents::~RuntimeEvents() = default;

}  // namespace slicelet::agent::cri
