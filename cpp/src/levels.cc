// SPDX-License-Identifier: Apache-2.0
#include "levels.h"

#include <algorithm>

namespace avg {

void ToFloats(const Level* levels, size_t count, float scale, float offset, float* out) {
  // By a power of two: exact.
  const float unit = scale / kLevelOne;
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(levels[i]) * unit + offset;
}

void PictureToFloats(const Level* planes, size_t pixels, float scale, float offset, const PictureLayout& layout,
                     float* out) {
  if (!layout.interleaved) return ToFloats(planes, 3 * pixels, scale, offset, out);
  // A few at a time: mixed with the interleaving, compilers do not vectorise the conversion.
  constexpr size_t kAtOnce = 64;
  float rows[3][kAtOnce];
  for (size_t begin = 0; begin < pixels; begin += kAtOnce) {
    const size_t count = std::min(kAtOnce, pixels - begin);
    for (size_t channel = 0; channel < 3; ++channel) {
      ToFloats(planes + channel * pixels + begin, count, scale, offset, rows[channel]);
    }
    for (size_t i = 0; i < count; ++i) {
      for (const auto& row : rows) *out++ = row[i];
    }
  }
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
