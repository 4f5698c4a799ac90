#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/loop/testing/sim_loop.h"
#include "kubelet-shim/api/kubelet_api.h"
#include "kubelet-shim/api/stream_session.h"

namespace slicelet::shim {

/// What a test's client did and saw.
struct Wire {
  HttpRequest request;
  int status = 0;
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool ended = false;
  bool hijacked = false;
  bool raw_closed = false;
  std::function<void()> gone;
  /// What the client sends after the head; "" is its end.
  std::deque<absl::StatusOr<std::string>> input;
  Callback<std::string> reader;
  std::string output;
};

class FakeRawStream : public RawStream {
 public:
  FakeRawStream(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {}
  ~FakeRawStream() override { wire_->raw_closed = true; }
  void Read(Callback<std::string> done) override {
    wire_->reader = std::move(done);
    Deliver(loop_, wire_);
  }
  void Write(std::string data, StatusCallback done) override {
    wire_->output += data;
    loop_.Post([done = std::move(done)] { done(absl::OkStatus()); });
  }
  void Close() override { wire_->raw_closed = true; }

  static void Deliver(Loop& loop, const std::shared_ptr<Wire>& wire) {
    if (!wire->reader || wire->input.empty()) return;
    auto data = std::move(wire->input.front());
    wire->input.pop_front();
    loop.Post([reader = std::exchange(wire->reader, nullptr), data] { reader(data); });
  }

 private:
  Loop& loop_;
  std::shared_ptr<Wire> wire_;
};

class FakeExchange : public HttpExchange {
 public:
  FakeExchange(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {}
  [[nodiscard]] const HttpRequest& request() const override { return wire_->request; }
  void Respond(HttpResponse response) override {
    EXPECT_EQ(wire_->status, 0) << "answered twice";
    wire_->status = response.status;
    wire_->content_type = response.content_type;
    wire_->body = response.body;
    wire_->headers = response.headers;
    wire_->ended = true;
  }
  void StartStream(int status, const std::string& content_type) override {
    wire_->status = status;
    wire_->content_type = content_type;
  }
  void Write(std::string data, StatusCallback written) override {
    wire_->body += data;
    loop_.Post([written = std::move(written)] { written(absl::OkStatus()); });
  }
  void EndStream() override { wire_->ended = true; }
  std::unique_ptr<RawStream> Hijack() override {
    wire_->hijacked = true;
    return std::make_unique<FakeRawStream>(loop_, wire_);
  }
  void OnGone(std::function<void()> gone) override { wire_->gone = std::move(gone); }

 private:
  Loop& loop_;
  std::shared_ptr<Wire> wire_;
};

/// The shim's end of a stream. Sees that there is one write at a time, and can tell late that one is done.
class WatchedStream final : public FrameStream {
 public:
  struct Writes {
    bool hold = false;
    bool under_way = false;
    std::function<void()> held;
  };

  WatchedStream(std::unique_ptr<FrameStream> stream, Writes& writes)
      : stream_(std::move(stream)), writes_(writes) {
    writes_.under_way = false;
  }
  void Read(OnFrame on_frame) override { stream_->Read(std::move(on_frame)); }
  void Write(v1::StreamFrame frame, StatusCallback written) override {
    EXPECT_FALSE(std::exchange(writes_.under_way, true)) << "another write is under way";
    stream_->Write(std::move(frame), [&writes = writes_, written = std::move(written)](const auto& status) {
      auto tell = [&writes, written, status] {
        writes.under_way = false;
        written(status);
      };
      if (!writes.hold) return tell();
      writes.held = std::move(tell);
    });
  }
  void OnBroken(StatusCallback broken) override { stream_->OnBroken(std::move(broken)); }
  void Finish(absl::Status status) override { stream_->Finish(std::move(status)); }

 private:
  std::unique_ptr<FrameStream> stream_;
  Writes& writes_;
};

/// One node "edge-1" with pod default/web (uid u-1) and container main.
class FakeNodePods : public NodePods {
 public:
  [[nodiscard]] std::vector<std::string> Nodes() const override { return {"edge-0", "edge-1"}; }
  [[nodiscard]] std::vector<kube::Json> Pods(const std::string& node) const override {
    return {{{"metadata", {{"name", "web"}, {"node", node}}}}};
  }
  [[nodiscard]] std::vector<kube::Json> RunningPods(const std::string&) const override { return {}; }
  [[nodiscard]] absl::StatusOr<std::string> FindContainer(const std::string& node, const std::string& ns,
                                                          const std::string& pod, const std::string& uid,
                                                          const std::string& container) const override {
    if (node != "edge-1" || ns != "default" || pod != "web" || (!uid.empty() && uid != "u-1")) {
      return absl::NotFoundError("pod does not exist");
    }
    if (!container.empty() && container != "main")
      return absl::NotFoundError("container " + container + " not found");
    return "u-1";
  }
};

/// A test is its clients and the provider behind the API.
class KubeletApiTest : public testing::Test {
 protected:
  std::shared_ptr<Wire> Request(const std::string& method, const std::string& target, bool upgrade = false) {
    auto wire = std::make_shared<Wire>();
    wire->request.listener = "edge-1";
    wire->request.method = method;
    wire->request.target = ParseTarget(target).value();
    wire->request.peer = {
        .verified = true, .common_name = "kube-apiserver-kubelet-client", .organizations = {}};
    wire->request.upgrade = upgrade;
    if (upgrade) {
      wire->request.headers = {{"connection", "Upgrade"},
                               {"upgrade", "SPDY/3.1"},
                               {"x-stream-protocol-version", "v4.channel.k8s.io"},
                               {"authorization", "Bearer secret"}};
    }
    return wire;
  }
  void Send(const std::shared_ptr<Wire>& wire) {
    api_.Handle(std::make_shared<FakeExchange>(loop_, wire));
    loop_.RunReady();
  }
  std::shared_ptr<Wire> Do(const std::string& method, const std::string& target, bool upgrade = false) {
    auto wire = Request(method, target, upgrade);
    Send(wire);
    return wire;
  }

  /// The provider's side: reads the next frame.
  std::string Next() {
    // Nothing may come for now: the reading outlives this call.
    const auto seen = std::make_shared<std::string>("nothing");
    provider_->Read([seen](const absl::StatusOr<std::optional<v1::StreamFrame>>& frame) {
      if (!frame.ok()) {
        *seen = Describe(frame.status());
      } else {
        *seen = frame->has_value() ? (*frame)->ShortDebugString() : "end";
      }
    });
    loop_.RunReady();
    return *seen;
  }
  /// The client sends this, or its connection breaks.
  void Say(const std::shared_ptr<Wire>& wire, absl::StatusOr<std::string> bytes) {
    wire->input.push_back(std::move(bytes));
    FakeRawStream::Deliver(loop_, wire);
    loop_.RunReady();
  }
  void Reply(absl::StatusCode code, const std::string& message = "") {
    v1::StreamFrame frame;
    frame.mutable_reply()->set_code(static_cast<int>(code));
    frame.mutable_reply()->set_message(message);
    provider_->Write(std::move(frame), [](const absl::Status&) {});
    loop_.RunReady();
  }
  void SendData(const std::string& data) {
    v1::StreamFrame frame;
    frame.set_data(data);
    provider_->Write(std::move(frame), [](const absl::Status&) {});
    loop_.RunReady();
  }

  SimLoop loop_;
  FakeNodePods pods_;
  std::unique_ptr<FrameStream> provider_;
  WatchedStream::Writes writes_;
  /// Frames that the host's side takes before it reads.
  int window_ = 8;
  KubeletApi api_{{.users = {"kube-apiserver-kubelet-client"}, .groups = {"system:masters"}},
                  {.loop = loop_, .pods = pods_, .open_stream = [this] {
                     auto [shim, provider] = MakeLocalFrameStreams(loop_, window_);
                     provider_ = std::move(provider);
                     return std::make_unique<WatchedStream>(std::move(shim), writes_);
                   }}};
};

}  // namespace slicelet::shim
