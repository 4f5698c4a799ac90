#include "common/base/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace slicelet {

std::string Random::Hex(int bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(static_cast<std::size_t>(bytes) * 2);
  std::uint64_t bits = 0;
  for (int i = 0; i < bytes; ++i) {
    if (i % 8 == 0) bits = Next();
    text.push_back(kDigits[(bits >> 4) & 0xf]);
    text.push_back(kDigits[bits & 0xf]);
    bits >>= 8;
  }
  return text;
}

std::string Random::Uuid() {
  std::string hex = Hex(16);
  hex[12] = '4';
  hex[16] = "89ab"[Next() & 3];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

std::uint64_t SystemRandom::Next() {
  std::uint64_t value = 0;
  // Requests of up to 256 bytes are never interrupted or short once the pool is initialised.
  if (getrandom(&value, sizeof(value), 0) != static_cast<ssize_t>(sizeof(value))) std::abort();
  return value;
}

std::uint64_t SeededRandom::Next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace slicelet
