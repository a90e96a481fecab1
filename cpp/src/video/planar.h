// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

namespace avg {

// Interleaved RGB bytes to planar floats: out = byte * scale + offset.
void ToPlanar(const uint8_t* rgb, size_t pixels, float scale, float offset, float* out);

}  // namespace avg
