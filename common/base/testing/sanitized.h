#pragma once

namespace slicelet {

/// Under the address sanitizer, where what tries everything takes thirty times as long and so tries a part. A
/// test program that looks at it is declared with SWEEPS.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace slicelet
