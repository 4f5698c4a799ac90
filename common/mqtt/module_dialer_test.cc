#include "common/mqtt/module_dialer.h"

#include <gtest/gtest.h>

#include <string>

#include "common/loop/testing/sim_loop.h"

namespace slicelet {
namespace {

/// A client library that connects nowhere: the test calls back in its place.
struct FakeModule {
  slicelet_mqtt_callbacks callbacks{};
  void* user = nullptr;

  static FakeModule& Get() {
    static FakeModule module;
    return module;
  }
  static slicelet_mqtt_client* Open(const slicelet_mqtt_options*, const slicelet_mqtt_callbacks* callbacks,
                                    void* user, char*, std::size_t) {
    Get() = {*callbacks, user};
    // Handed back to it, and never looked behind.
    return reinterpret_cast<slicelet_mqtt_client*>(&Get());
  }
  static int Publish(slicelet_mqtt_client*, std::uint64_t, const char*, const char*, std::size_t, int, int,
                     std::uint32_t) {
    return 0;
  }
  static int Subscribe(slicelet_mqtt_client*, const char*) { return 0; }
  static void Close(slicelet_mqtt_client*) {}

  void Arrive(const std::string& payload) const {
    callbacks.message(user, "topic", 5, payload.data(), payload.size(), 0);
  }
};

constexpr slicelet_mqtt_module kModule = {SLICELET_MQTT_MODULE_VERSION, FakeModule::Open, FakeModule::Publish,
                                          FakeModule::Subscribe, FakeModule::Close};

class ModuleDialerTest : public testing::Test {
 protected:
  static constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  static constexpr int kMany = 100;

  void Arrive(int messages) {
    for (int i = 0; i < messages; ++i) FakeModule::Get().Arrive(std::string(kMebibyte, 'x'));
  }

  SimLoop loop_;
  std::unique_ptr<MqttDialer> dialer_ = MakeModuleDialer(loop_, kModule, {.endpoint = "broker:1883"});
  int handled_ = 0;
};

TEST_F(ModuleDialerTest, WhatWaitsForTheLoopIsBounded) {
  const auto connection = dialer_->Connect({}, {.on_message = [this](const MqttMessage&) { ++handled_; }});
  Arrive(kMany);
  loop_.RunReady();
  EXPECT_EQ(handled_, static_cast<int>(kMaxMqttUnhandledBytes / kMebibyte) - 1);
  // What costs little by itself counts too.
  handled_ = 0;
  for (std::size_t i = 0; i < 2 * kMaxMqttUnhandledBytes / kMqttMessageBytes; ++i)
    FakeModule::Get().Arrive("");
  loop_.RunReady();
  EXPECT_LE(handled_, static_cast<int>(kMaxMqttUnhandledBytes / kMqttMessageBytes));
  EXPECT_GT(handled_, 200'000);
  // And then it goes on.
  handled_ = 0;
  Arrive(10);
  loop_.RunReady();
  EXPECT_EQ(handled_, 10);
}

TEST_F(ModuleDialerTest, WhatIsKeptOnArrivalWaitsForNothingAndIsNeverDropped) {
  int kept = 0;
  const auto connection = dialer_->Connect({}, {.on_arrival = [&kept](const MqttMessage&) { ++kept; }});
  Arrive(kMany);
  EXPECT_EQ(kept, kMany);
}

}  // namespace
}  // namespace slicelet
