// SPDX-License-Identifier: Apache-2.0
#include "audio/window_audio.h"

#include <algorithm>

namespace avg {
namespace {

constexpr int kFrames = kAudioWindowFrames;

double BandMean(const float* const* rows, int band, int valid) {
  double sum = 0.0;
  for (int frame = 0; frame < kFrames; ++frame) {
    if (rows[frame] != nullptr) sum += rows[frame][band];
  }
  return sum / valid;
}

}  // namespace

bool NormaliseAudioWindow(const float* const* rows, float* mel, float* linear) {
  const int valid = kFrames - static_cast<int>(std::count(rows, rows + kFrames, nullptr));
  const bool enough = valid >= spec::window::minimum_frames;
  for (int band = 0; band < LogMel::kRow; ++band) {
    float* to = band < LogMel::kMel ? mel + band * kFrames : linear + (band - LogMel::kMel) * kFrames;
    std::fill(to, to + kFrames, 0.0f);
    if (!enough) continue;
    const double mean = BandMean(rows, band, valid);
    for (int frame = 0; frame < kFrames; ++frame) {
      if (rows[frame] == nullptr) continue;
      to[frame] = static_cast<float>((rows[frame][band] - mean) * spec::audio::scale);
    }
  }
  return enough;
}

}  // namespace avg
