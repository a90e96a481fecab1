// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>

#include "avg_spec.h"

namespace avg {

inline constexpr size_t kHeads = spec::heads.size();
enum Head : size_t { kVideo, kAudio, kSync, kDesync };

template <typename T>
using PerHead = std::array<T, kHeads>;

// What turns raw logits into a verdict. Comes with the model (its manifest), fitted on validation clips.
struct Calibration {
  // Calibrated logit = scale * mean clip logit + bias (Platt, 1999).
  PerHead<double> scale{{1, 1, 1, 1}};
  PerHead<double> bias{};
  // Share of the worst window in a clip's logit; the rest is the mean of all windows.
  double peak_weight = 0;
  // Overall logit = bias + sum of weight * calibrated head logit + either * log odds of "picture or sound is fake, each
  // on its own" (1 - (1 - p_video)(1 - p_audio)), by which evidence there is.
  struct Mix {
    double bias = 0, either = 0;
    PerHead<double> weight{};
  };
  Mix both, video_only, audio_only;
  // Overall probability from which a clip is called fake, and below which real; between them it is inconclusive.
  double fake_above = 0.5, real_below = 0.5;
  // The same for a single head.
  PerHead<double> head_fake_above{{0.5, 0.5, 0.5, 0.5}};
  PerHead<double> head_real_below{{0.5, 0.5, 0.5, 0.5}};
  // Probability of a single time step from which it belongs to a segment.
  PerHead<double> segment_above{{0.5, 0.5, 0.5, 0.5}};
  // Evidence floors.
  double minimum_face_s = 0.8, minimum_speech_s = 0.4;
  // Least peak-over-median of the lip/voice similarity (cosine) for an offset to be reported.
  double offset_contrast = 1;
};

}  // namespace avg
