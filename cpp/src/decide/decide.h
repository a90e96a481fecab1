// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "decide/verdict.h"
#include "status.h"

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
  int64_t spoken_windows = 0;                          // with enough of face and speech
  std::array<double, 2 * kLags + 1> similarity_sum{};  // over these, LagSimilarity

  double Speaking() const;
};

// Everything that was seen of a clip. Borrows its lists.
struct Evidence {
  bool expects_video = false, expects_audio = false;
  int64_t first_index = 0, end_index = 0;
  double speech_s = 0;
  std::optional<double> bandwidth_hz, loudness_dbfs;
  int64_t small_faces = 0;
  const TrackFacts* tracks = nullptr;
  size_t track_count = 0;
  const WindowScore* windows = nullptr;  // by first_index
  size_t window_count = 0;
};

// The windows that a question is about.
struct Selection {
  const Evidence& evidence;
  int32_t track;
  bool and_sound_alone;  // also those without any face, where `track` has none: the sound is judged everywhere

  bool Has(size_t i) const;
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t i = 0; i < evidence.window_count; ++i) {
      if (Has(i)) visit(evidence.windows[i]);
    }
  }
};

double Sigmoid(double logit);

// Chooses the speaking face, aggregates windows, calibrates, and names what could not be seen. `verdict` is clear but
// for the warnings that it already has. kLimit when its lists have no room.
Status Decide(const Evidence& evidence, const Calibration& calibration, Verdict* verdict);

// Mean cosine between lip and voice embeddings, (dims, window frames) each, for voice lags of -kLags..kLags frames.
std::array<float, 2 * kLags + 1> LagSimilarity(const float* lips, const float* voice, int dims);

}  // namespace avg
