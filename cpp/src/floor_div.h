// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace avg {

// Rounds towards minus infinity, so that times before zero fall in the right cell.
inline int64_t FloorDiv(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return quotient * divisor > value ? quotient - 1 : quotient;
}

}  // namespace avg
