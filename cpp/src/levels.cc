// SPDX-License-Identifier: Apache-2.0
#include "levels.h"

namespace avg {

void ToFloats(const Level* levels, size_t count, float scale, float offset, float* out) {
  // By a power of two: exact.
  const float unit = scale / kLevelOne;
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(levels[i]) * unit + offset;
}

void ToBytes(const Level* planes, size_t pixels, uint8_t* rgb) {
  for (size_t channel = 0; channel < 3; ++channel) {
    const Level* plane = planes + channel * pixels;
    for (size_t i = 0; i < pixels; ++i) {
      rgb[3 * i + channel] = static_cast<uint8_t>((plane[i] + kLevelOne / 2) >> kLevelBits);
    }
  }
}

void FromBytes(const uint8_t* rgb, size_t pixels, Level* planes) {
  for (size_t channel = 0; channel < 3; ++channel) {
    Level* plane = planes + channel * pixels;
    for (size_t i = 0; i < pixels; ++i) plane[i] = static_cast<Level>(rgb[3 * i + channel] * kLevelOne);
  }
}

}  // namespace avg
