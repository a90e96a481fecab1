// SPDX-License-Identifier: Apache-2.0
#pragma once

// Only what is marked so is compiled for AVX2, and called only where HasAvx2: the library itself runs on every x86-64.
// Without FMA, which would round otherwise.
#if defined(__x86_64__)
#define AVG_AVX2 __attribute__((target("avx2")))
#endif

// For what is compiled twice, for AVX2 and without.
#define AVG_INLINE inline __attribute__((always_inline))

namespace avg {

#ifdef AVG_AVX2
inline bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#endif

}  // namespace avg
