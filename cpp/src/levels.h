// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "layout.h"

namespace avg {

// A colour level, 0 to 255, with 8 more bits. Networks on different platforms place a face some 1e-5 px apart: in whole
// levels such a nudge becomes a step of one now and then, which the next crop, placed by the last, passes on.
using Level = uint16_t;
inline constexpr int kLevelBits = 8;
inline constexpr int32_t kLevelOne = 1 << kLevelBits;
inline constexpr int32_t kMostLevel = 255 * kLevelOne;

// Rec. 601 luma from 8-bit weights, in units of 1 / kLumaOne: a float holds it exactly.
inline constexpr int32_t kLumaOne = 256 * kLevelOne;
inline int32_t Luma(Level red, Level green, Level blue) { return 77 * red + 150 * green + 29 * blue; }

// out = level * scale + offset, with levels from 0 to 255.
void ToFloats(const Level* levels, size_t count, float scale, float offset, float* out);
// The same for three planes of `pixels`, out in `layout`.
void PictureToFloats(const Level* planes, size_t pixels, float scale, float offset, const PictureLayout& layout,
                     float* out);
// Three planes to interleaved bytes, rounded, and back.
void ToBytes(const Level* planes, size_t pixels, uint8_t* rgb);
void FromBytes(const uint8_t* rgb, size_t pixels, Level* planes);

}  // namespace avg
