// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "video/source.h"

namespace avg {

// Pixels that are sampled at once.
inline constexpr int32_t kYuvBlock = 8;
// How much further from the right and bottom edges than one neighbour the reads of a block may go, in luma pixels.
inline constexpr int kYuvOverreach = 4;

// Whether this CPU has the instructions for SampleYuvRow, and `source` the layout.
bool CanSampleYuvRow(const Source& source);

// Red, green and blue, in planes `plane` apart, at `count` >= kYuvBlock positions (x[i], y[i]) in 16.16 measured from
// the first pixel's centre, all of whose taps lie kYuvOverreach inside the picture. The same bits as sampling them one
// by one.
void SampleYuvRow(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count, Level* out,
                  ptrdiff_t plane);

}  // namespace avg
