#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_METHOD is old, but the one way to replace the generator as a
                                     // whole.
#include "tests/sim/crypto.h"

#include <openssl/rand.h>

#include <vector>

#include "common/base/random.h"
#include "common/crypto/sealing.h"

namespace slicelet::sim {
namespace {

SeededRandom& Generator() {
  static SeededRandom generator(0);
  return generator;
}

int Bytes(unsigned char* out, int count) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<unsigned char>(Generator().Next() >> 56);
  return 1;
}

int Status() { return 1; }

}  // namespace

void SeedCrypto(std::uint64_t seed) {
  static const RAND_METHOD kMethod = {nullptr, Bytes, nullptr, nullptr, Bytes, Status};
  RAND_set_rand_method(&kMethod);
  Generator() = SeededRandom(seed);
}

const std::string& SealingKeyPem(std::size_t n) {
  static const std::vector<std::string> kKeys = [] {
    SeedCrypto(7);
    std::vector<std::string> keys;
    for (int i = 0; i < 8; ++i) keys.push_back(GenerateSealingKeyPem());
    return keys;
  }();
  return kKeys[n % kKeys.size()];
}

}  // namespace slicelet::sim
