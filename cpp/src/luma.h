// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace avg {

// Rec. 601 luma of an RGB pixel, rounded.
inline uint8_t Luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
}

}  // namespace avg
