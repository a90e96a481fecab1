// SPDX-License-Identifier: Apache-2.0
#include "video/planar.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace avg {
namespace {

#if defined(__x86_64__)

constexpr size_t kBlock = 8;

// Moves every third of 24 bytes, from `channel` on, to the front; the bytes come as the first 16 and the last 16.
__attribute__((target("avx2"))) inline __m256 Third(__m128i first, __m128i last, int channel) {
  alignas(16) int8_t from_first[16], from_last[16];
  for (int i = 0; i < 16; ++i) {
    const int at = channel + 3 * i;
    from_first[i] = static_cast<int8_t>(i < 8 && at < 16 ? at : -1);
    from_last[i] = static_cast<int8_t>(i < 8 && at >= 16 ? at - 8 : -1);
  }
  const __m128i bytes =
      _mm_or_si128(_mm_shuffle_epi8(first, _mm_load_si128(reinterpret_cast<const __m128i*>(from_first))),
                   _mm_shuffle_epi8(last, _mm_load_si128(reinterpret_cast<const __m128i*>(from_last))));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

// Returns how many pixels were done.
__attribute__((target("avx2"))) size_t BlocksToPlanar(const uint8_t* rgb, size_t pixels, float scale, float offset,
                                                      float* out) {
  const __m256 factor = _mm256_set1_ps(scale), shift = _mm256_set1_ps(offset);
  size_t done = 0;
  for (; done + kBlock <= pixels; done += kBlock) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 3 * done));
    const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 3 * done + 8));
    const __m256 channels[3] = {Third(first, last, 0), Third(first, last, 1), Third(first, last, 2)};
    for (size_t c = 0; c < 3; ++c) {
      _mm256_storeu_ps(out + c * pixels + done, _mm256_add_ps(_mm256_mul_ps(channels[c], factor), shift));
    }
  }
  return done;
}

#endif

}  // namespace

void ToPlanar(const uint8_t* rgb, size_t pixels, float scale, float offset, float* out) {
  size_t done = 0;
#if defined(__x86_64__)
  static const bool supported = __builtin_cpu_supports("avx2") != 0;
  if (supported) done = BlocksToPlanar(rgb, pixels, scale, offset, out);
#endif
  for (size_t channel = 0; channel < 3; ++channel) {
    float* plane = out + channel * pixels;
    for (size_t i = done; i < pixels; ++i) plane[i] = static_cast<float>(rgb[3 * i + channel]) * scale + offset;
  }
}

}  // namespace avg
