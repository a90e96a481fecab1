// SPDX-License-Identifier: Apache-2.0
#include "audio/window_audio.h"

#include <algorithm>
#include <array>
#include <functional>

namespace avg {
namespace {

constexpr int kFrames = kAudioWindowFrames;
// The loudest sixteenth of a window sets its level: a click is shorter, a syllable longer.
constexpr int kLoudestShare = 16;

float Level(const float* row) { return *std::max_element(row, row + LogMel::kMel); }

// Marks the rows within spec::audio::active_range of the window's level and counts them.
int MarkActive(const float* const* rows, int valid, std::array<bool, kFrames>* active) {
  std::array<float, kFrames> levels{};
  int count = 0;
  for (int frame = 0; frame < kFrames; ++frame) {
    if (rows[frame] != nullptr) levels[static_cast<size_t>(count++)] = Level(rows[frame]);
  }
  const auto loud = levels.begin() + valid / kLoudestShare;
  std::nth_element(levels.begin(), loud, levels.begin() + count, std::greater<float>());
  const double quietest = double{*loud} - spec::audio::active_range;
  int marked = 0;
  for (int frame = 0; frame < kFrames; ++frame) {
    const bool is_active = rows[frame] != nullptr && Level(rows[frame]) >= quietest;
    (*active)[static_cast<size_t>(frame)] = is_active;
    marked += is_active ? 1 : 0;
  }
  return marked;
}

double ActiveMean(const float* const* rows, const std::array<bool, kFrames>& active, int count, int band) {
  double sum = 0.0;
  for (int frame = 0; frame < kFrames; ++frame) {
    if (active[static_cast<size_t>(frame)]) sum += rows[frame][band];
  }
  return sum / count;
}

}  // namespace

bool NormaliseAudioWindow(const float* const* rows, float* mel, float* linear) {
  const int valid = kFrames - static_cast<int>(std::count(rows, rows + kFrames, nullptr));
  const bool enough = valid >= spec::window::minimum_frames;
  std::array<bool, kFrames> active{};
  const int count = enough ? MarkActive(rows, valid, &active) : 0;
  for (int band = 0; band < LogMel::kRow; ++band) {
    float* to = band < LogMel::kMel ? mel + band * kFrames : linear + (band - LogMel::kMel) * kFrames;
    std::fill(to, to + kFrames, 0.0f);
    if (!enough) continue;
    const double mean = ActiveMean(rows, active, count, band);
    for (int frame = 0; frame < kFrames; ++frame) {
      if (rows[frame] == nullptr) continue;
      const double level = (rows[frame][band] - mean) * spec::audio::scale;
      to[frame] = static_cast<float>(std::max(level, spec::audio::quietest));
    }
  }
  return enough;
}

}  // namespace avg
