#include "provider/rest/passwords.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/base/encoding.h"

namespace slicelet::provider {
namespace {

constexpr int kSaltBytes = 16;
constexpr std::size_t kKeyBytes = 32;
constexpr int kHighestLogN = 18;
constexpr int kHighestR = 16;
constexpr int kHighestP = 4;
constexpr std::uint64_t kMaxMemory = std::uint64_t{600} << 20;

struct ParsedHash {
  PasswordCost cost;
  std::string salt;
  std::string key;
};

std::optional<ParsedHash> Parse(const std::string& hash) {
  ParsedHash parsed;
  int end = 0;
  if (std::sscanf(hash.c_str(), "$scrypt$ln=%d,r=%d,p=%d$%n", &parsed.cost.log_n, &parsed.cost.r,
                  &parsed.cost.p, &end) != 3 ||
      end == 0) {
    return std::nullopt;
  }
  const auto dollar = hash.find('$', static_cast<std::size_t>(end));
  if (dollar == std::string::npos) return std::nullopt;
  auto salt = HexDecode(std::string_view(hash).substr(end, dollar - end));
  auto key = HexDecode(std::string_view(hash).substr(dollar + 1));
  if (!salt.ok() || !key.ok() || salt->empty() || key->size() != kKeyBytes) return std::nullopt;
  const auto within = [](int value, int highest) { return value >= 1 && value <= highest; };
  if (!within(parsed.cost.log_n, kHighestLogN) || !within(parsed.cost.r, kHighestR) ||
      !within(parsed.cost.p, kHighestP)) {
    return std::nullopt;
  }
  parsed.salt = *std::move(salt);
  parsed.key = *std::move(key);
  return parsed;
}

/// Empty when the library refuses.
std::string Derive(std::string_view password, const std::string& salt, const PasswordCost& cost) {
  std::string key(kKeyBytes, '\0');
  const int made = EVP_PBE_scrypt(
      password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
      std::uint64_t{1} << cost.log_n, static_cast<std::uint64_t>(cost.r), static_cast<std::uint64_t>(cost.p),
      kMaxMemory, reinterpret_cast<unsigned char*>(key.data()), key.size());
  return made == 1 ? key : "";
}

class ThreadedChecker final : public PasswordChecker {
 public:
  explicit ThreadedChecker(Loop& loop) : loop_(loop), thread_([this] { Run(); }) {}

  ~ThreadedChecker() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  bool Check(std::string password, std::string hash, std::function<void(bool)> done) override {
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= kMaxWaitingPasswords) return false;
      // The guard is made here, on the loop's thread, and runs only there.
      queue_.push_back({std::move(password), std::move(hash),
                        std::make_shared<std::function<void(bool)>>(lifetime_.Guard(std::move(done)))});
    }
    wake_.notify_one();
    return true;
  }

 private:
  struct Item {
    std::string password;
    std::string hash;
    std::shared_ptr<std::function<void(bool)>> done;
  };

  void Run() {
    pthread_setname_np(pthread_self(), "passwords");
    while (true) {
      Item item;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        item = std::move(queue_.front());
        queue_.pop_front();
      }
      const bool right = IsPassword(item.password, item.hash);
      OPENSSL_cleanse(item.password.data(), item.password.size());
      loop_.Post([done = std::move(item.done), right] { (*done)(right); });
    }
  }

  Loop& loop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  bool stopping_ = false;
  Lifetime lifetime_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::string> HashPassword(std::string_view password, Random& random, PasswordCost cost) {
  const auto salt = HexDecode(random.Hex(kSaltBytes));
  const std::string key = Derive(password, *salt, cost);
  if (key.empty()) return absl::InternalError("cannot derive a key from the password");
  return "$scrypt$ln=" + std::to_string(cost.log_n) + ",r=" + std::to_string(cost.r) +
         ",p=" + std::to_string(cost.p) + "$" + HexEncode(*salt) + "$" + HexEncode(key);
}

absl::Status CheckPasswordHash(const std::string& hash) {
  if (Parse(hash)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the password's hash cannot be read: make one with slicelet-provider --hash-password");
}

bool IsPassword(std::string_view password, const std::string& hash) {
  const auto parsed = Parse(hash);
  if (!parsed) return false;
  const std::string key = Derive(password, parsed->salt, parsed->cost);
  return key.size() == parsed->key.size() && CRYPTO_memcmp(key.data(), parsed->key.data(), key.size()) == 0;
}

std::unique_ptr<PasswordChecker> MakePasswordChecker(Loop& loop) {
  return std::make_unique<ThreadedChecker>(loop);
}

}  // namespace slicelet::provider
