// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

namespace avg {

// Pictures as (channels, pixels), each channel a plane; or interleaved: (pixels, channels).
struct PictureLayout {
  bool interleaved = false;
  size_t channels = 1, pixels = 1;  // of one picture, where interleaved
};

}  // namespace avg
