// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace avg {

bool CpuHasInt8Dot() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") != 0
#if (defined(__clang__) && __clang_major__ >= 15) || (!defined(__clang__) && __GNUC__ >= 13)
         || __builtin_cpu_supports("avxvnni") != 0
#endif
      ;
#elif defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  return true;  // every Apple core since the A11
#else
  return false;
#endif
}

}  // namespace avg
