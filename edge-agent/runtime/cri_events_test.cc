#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/testing/temporary_directory.h"
#include "common/loop/asio_loop.h"
#include "common/loop/testing/run_until.h"
#include "cri/v1/runtime.grpc.pb.h"
#include "edge-agent/runtime/cri_runtime.h"

namespace slicelet::agent {
namespace {

namespace cri = runtime::v1;

/// A container runtime without containerd's event service: what a test says about its containers, and CRI
/// events if the test wants them.
class ScriptedCri : public cri::RuntimeService::Service {
 public:
  explicit ScriptedCri(bool has_events) : has_events_(has_events) {}

  void SetState(const std::string& id, cri::ContainerState state) {
    const std::lock_guard lock(mutex_);
    states_[id] = state;
  }
  /// The next `answers` questions about it are answered with the state it has now.
  void SetStateAfter(int answers, const std::string& id, cri::ContainerState state) {
    const std::lock_guard lock(mutex_);
    stale_ = answers;
    later_ = {id, state};
  }
  void Forget(const std::string& id) {
    const std::lock_guard lock(mutex_);
    states_.erase(id);
  }
  void FailLists(int times) {
    const std::lock_guard lock(mutex_);
    failing_lists_ = times;
  }
  void Announce(const std::string& id, cri::ContainerEventType type) {
    const std::lock_guard lock(mutex_);
    events_.emplace_back().set_container_id(id);
    events_.back().set_container_event_type(type);
    changed_.notify_all();
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] int questions() {
    const std::lock_guard lock(mutex_);
    return questions_;
  }
  [[nodiscard]] int lists() {
    const std::lock_guard lock(mutex_);
    return lists_;
  }

  grpc::Status GetContainerEvents(grpc::ServerContext*, const cri::GetEventsRequest*,
                                  grpc::ServerWriter<cri::ContainerEventResponse>* writer) override {
    if (!has_events_) return {grpc::StatusCode::UNIMPLEMENTED, "no events"};
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return closed_ || !events_.empty(); });
      if (closed_) return grpc::Status::OK;
      for (const auto& event : events_) writer->Write(event);
      events_.clear();
    }
  }

  grpc::Status ContainerStatus(grpc::ServerContext*, const cri::ContainerStatusRequest* request,
                               cri::ContainerStatusResponse* response) override {
    const std::lock_guard lock(mutex_);
    ++questions_;
    if (stale_ > 0 && --stale_ == 0) states_[later_.first] = later_.second;
    const auto it = states_.find(request->container_id());
    if (it == states_.end()) return {grpc::StatusCode::NOT_FOUND, "no such container"};
    response->mutable_status()->set_id(it->first);
    response->mutable_status()->set_state(it->second);
    return grpc::Status::OK;
  }

  grpc::Status PodSandboxStatus(grpc::ServerContext*, const cri::PodSandboxStatusRequest*,
                                cri::PodSandboxStatusResponse*) override {
    return {grpc::StatusCode::NOT_FOUND, "no such sandbox"};
  }

  grpc::Status ListContainers(grpc::ServerContext*, const cri::ListContainersRequest*,
                              cri::ListContainersResponse* response) override {
    const std::lock_guard lock(mutex_);
    ++lists_;
    if (failing_lists_ > 0 && --failing_lists_ >= 0) return {grpc::StatusCode::UNKNOWN, "busy"};
    for (const auto& [id, state] : states_) {
      auto& container = *response->add_containers();
      container.set_id(id);
      container.set_state(state);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListPodSandbox(grpc::ServerContext*, const cri::ListPodSandboxRequest*,
                              cri::ListPodSandboxResponse* response) override {
    auto& sandbox = *response->add_items();
    sandbox.set_id("sandbox");
    sandbox.set_state(cri::SANDBOX_READY);
    return grpc::Status::OK;
  }

 private:
  const bool has_events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, cri::ContainerState> states_;
  std::vector<cri::ContainerEventResponse> events_;
  std::pair<std::string, cri::ContainerState> later_;
  int stale_ = 0;
  int failing_lists_ = 0;
  int questions_ = 0;
  int lists_ = 0;
  bool closed_ = false;
};

class CriEventsTest : public testing::Test {
 protected:
  void Serve(bool has_events) {
    cri_ = std::make_unique<ScriptedCri>(has_events);
    const std::string path = directory_.File("cri.sock");
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(cri_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    runtime_ = MakeCriRuntime(path, loop_);
    runtime_->OnWakeUp(
        [this](const ContainerRuntime::WakeUp& wake_up) { wake_ups_.push_back(wake_up.container_id); });
    // Anything may have happened before.
    ASSERT_TRUE(Until([this] { return !wake_ups_.empty(); }));
    EXPECT_EQ(wake_ups_[0], "");
  }
  void TearDown() override {
    runtime_.reset();
    if (cri_) cri_->Close();
    if (server_) server_->Shutdown();
  }

  bool Until(const std::function<bool()>& holds) { return RunLoopUntil(loop_, holds); }
  /// The next container that was named. Before it, streams that begin wake everybody up.
  std::string Next() {
    EXPECT_TRUE(Until([this] {
      std::erase(wake_ups_, "");
      return !wake_ups_.empty();
    }));
    if (wake_ups_.empty()) return "";
    const std::string id = wake_ups_.front();
    wake_ups_.erase(wake_ups_.begin());
    return id;
  }

  const TemporaryDirectory directory_;
  AsioLoop loop_;
  std::unique_ptr<ScriptedCri> cri_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ContainerRuntime> runtime_;
  std::vector<std::string> wake_ups_;
};

TEST_F(CriEventsTest, WithoutContainerdsEventsItListensToCriEvents) {
  Serve(true);
  cri_->SetState("c1", cri::CONTAINER_EXITED);
  cri_->Announce("c1", cri::CONTAINER_STARTED_EVENT);  // nobody waits for those
  cri_->Announce("c1", cri::CONTAINER_STOPPED_EVENT);
  EXPECT_EQ(Next(), "c1");
}

TEST_F(CriEventsTest, WakesUpOnlyWhenTheAnswersShowTheEnd) {
  Serve(true);
  cri_->SetState("c1", cri::CONTAINER_RUNNING);
  cri_->SetStateAfter(4, "c1", cri::CONTAINER_EXITED);
  cri_->Announce("c1", cri::CONTAINER_STOPPED_EVENT);
  EXPECT_EQ(Next(), "c1");
  EXPECT_EQ(cri_->questions(), 4);
}

TEST_F(CriEventsTest, WithoutAnyEventsItCompares) {
  Serve(false);
  cri_->SetState("c1", cri::CONTAINER_RUNNING);
  cri_->SetState("c2", cri::CONTAINER_RUNNING);
  // When the second listing has begun, the answer of the first one that showed them has come.
  ASSERT_TRUE(Until([this, before = cri_->lists()] { return cri_->lists() >= before + 2; }));
  cri_->SetState("c1", cri::CONTAINER_EXITED);
  EXPECT_EQ(Next(), "c1");
  cri_->Forget("c2");
  EXPECT_EQ(Next(), "c2");
}

TEST_F(CriEventsTest, AfterAListingThatFailedAnythingMayHaveHappened) {
  Serve(false);
  ASSERT_TRUE(Until([this] { return cri_->lists() >= 2; }));
  wake_ups_.clear();
  cri_->FailLists(1);
  ASSERT_TRUE(Until([this] { return !wake_ups_.empty(); }));
  EXPECT_EQ(wake_ups_[0], "");
}

}  // namespace
}  // namespace slicelet::agent
