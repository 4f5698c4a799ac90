#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/random.h"
#include "common/rest/http_client.h"
#include "provider/attach/testing/fake_iot_server.h"
#include "tests/sim/story.h"

namespace slicelet::sim {

/// When the provider is to die of a call that its controllers make.
struct FatalCall {
  /// The so-manieth call from now on; 0: none.
  int countdown = 0;
  /// It is carried out, and its answer is lost with the process.
  bool carried_out = false;

  /// Counts one call; true for the fatal one.
  bool Strikes() { return countdown > 0 && --countdown == 0; }
};

/// The IoT server that gateways are attached to: users, things and channels, on a machine of its own behind
/// a network. It outlives the provider's processes, and knows when something is made twice.
class IotService {
 public:
  enum class Trouble {
    kNone,
    /// Nobody listens.
    kRefuses,
    /// Answers do not come in time; what was asked for may have been done.
    kHangs,
    /// Answers 5xx, whether or not the work was done.
    kErrors,
    /// Its service auth is away: what is right is refused with 400 and 401.
    kAuthDown,
    /// Auth answers, and the other services have not found it yet.
    kAuthComesBack,
  };

  IotService(Loop& loop, SeededRandom random, Story& story);

  /// How one life of the provider speaks with it. `fatal` must outlive the client; `struck` is called when
  /// its call was made, and nothing is sent after that.
  std::unique_ptr<HttpClient> MakeClient(FatalCall& fatal, std::function<void()> struck);

  void SetTrouble(Trouble trouble);
  /// So many answers from now on are lost, after the work was done.
  void LoseAnswers(int answers) { lost_answers_ = answers; }
  /// Tokens that it has given are good no more.
  void Restart() { server_.ForgetTokens(); }
  /// Somebody removes one of its things or channels, with its connections.
  void RemoveOne(std::uint64_t pick);

  [[nodiscard]] provider::FakeIotServer& server() { return server_; }
  /// What was looked for last; "" when nothing was.
  [[nodiscard]] const std::string& looked_for() const { return looked_for_; }
  /// Somebody removed something: what is attached need not be there.
  [[nodiscard]] bool tampered() const { return tampered_; }

 private:
  class Client;
  using Answer = HttpClient::Answer;

  /// A request has arrived.
  void Take(const HttpClient::Request& request, const Callback<Answer>& done);
  void Do(const HttpClient::Request& request, const Callback<Answer>& done);
  void Reply(Duration delay, absl::StatusOr<Answer> answer, const Callback<Answer>& done);
  /// Names hold the gateway's uid and the host: one thing and one channel of each is all there may be.
  void CheckNotThere(const HttpClient::Request& request);
  [[nodiscard]] Duration Travel();

  Loop& loop_;
  SeededRandom random_;
  Story& story_;
  provider::FakeIotServer server_;
  Trouble trouble_ = Trouble::kNone;
  int lost_answers_ = 0;
  std::string looked_for_;
  bool tampered_ = false;
};

}  // namespace slicelet::sim
