// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "memory.h"

namespace avg {

// Appends samples with every NaN or infinity replaced by 0, so that one broken sample cannot spread
// through a filter. Returns how many were replaced.
inline int64_t AppendFinite(const float* in, size_t count, Vector<float>* out) {
  const size_t base = out->size();
  out->resize(base + count);
  float* to = out->data() + base;
  int64_t replaced = 0;
  for (size_t i = 0; i < count; ++i) {
    const bool finite = std::isfinite(in[i]);
    to[i] = finite ? in[i] : 0.0f;
    replaced += finite ? 0 : 1;
  }
  return replaced;
}

}  // namespace avg
