// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "decide/verdict.h"

namespace avg {

inline constexpr int kSteps = spec::window::steps;
inline constexpr int kLags = 15;  // offsets searched to either side, in grid frames

// What the model said about one window of one track (track -1: no face, sound alone).
struct WindowScore {
  int64_t first_index = 0;  // grid index of its first frame
  int32_t track = -1;
  bool face = false, speech = false;  // enough of each to judge
  PerHead<float> logits{};
  PerHead<std::array<float, kSteps>> steps{};
  std::array<float, 2 * kLags + 1> similarity{};  // mean cosine of lips and voice, by lag of the voice

  // Whether there was enough of what this head looks at.
  bool Judged(size_t head) const { return (head == kAudio || face) && (head == kVideo || speech); }
};

// Facts about a track that the windows do not carry.
struct TrackFacts {
  int32_t id = 0;
  int64_t first_index = 0, last_index = 0, frames = 0;
  double eye_distance_sum = 0, yaw_sum = 0, sharpness_sum = 0, brightness_sum = 0;
  double motion_in_speech = 0, motion_in_silence = 0;  // summed lip speed
  int64_t speech_frames = 0, silence_frames = 0;

  double Speaking() const;
};

struct Evidence {
  bool expects_video = false, expects_audio = false;
  int64_t first_index = 0, end_index = 0;
  double speech_s = 0;
  std::optional<double> bandwidth_hz, loudness_dbfs;
  int64_t small_faces = 0;
  std::vector<TrackFacts> tracks;
  std::vector<WindowScore> windows;
  std::vector<std::string> warnings;
};

// Chooses the speaking face, aggregates windows, calibrates, and names what could not be seen.
Verdict Decide(const Evidence& evidence, const Calibration& calibration);

// Mean cosine between lip and voice embeddings, (dims, frames) each, for voice lags of -kLags..kLags frames.
std::array<float, 2 * kLags + 1> LagSimilarity(const float* lips, const float* voice, int dims, int frames);

}  // namespace avg
