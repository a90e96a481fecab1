// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "levels.h"
#include "video/image.h"

namespace avg {

enum class Border : uint8_t { kReplicate, kBlack };

// Samples an upright picture into `planes` (3, out_height, out_width): red, green, blue. `to_upright` maps output pixel
// centres (x+.5, y+.5) to upright coordinates. Bilinear; when the picture is shrunk, n x n such samples are averaged
// (n = ceil(scale), at most 4), which is the anti-alias filter. Full-range RGB by ITU-R BT.601/709/2020.
void WarpToRgb(const Image& image, const Affine& to_upright, int32_t out_width, int32_t out_height, Border border,
               Level* planes);

}  // namespace avg
