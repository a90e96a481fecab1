// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "decide/calibration.h"

namespace avg {

enum class Label : uint8_t { kReal, kFake, kInconclusive };

using Score = std::optional<double>;  // calibrated probability of manipulation

struct HeadVerdict {
  Label label = Label::kInconclusive;
  Score score;
  std::vector<std::string> reasons;
};

struct Segment {
  int64_t start_us = 0, end_us = 0;
  size_t head = 0;
  double score = 0;  // mean over its steps
};

// Scores at a fixed rate; absent where nothing could be judged.
struct Timeline {
  int64_t start_us = 0;
  PerHead<std::vector<Score>> scores;
};

struct TrackVerdict {
  int32_t id = 0;
  bool primary = false;
  int64_t start_us = 0, end_us = 0;
  double face_s = 0;
  double speaking = 0;  // how much more the lips move while there is speech than while there is none, in [-1, 1]
  double face_px = 0;   // median-like mean eye distance
  Score video, sync, desync;
};

struct Quality {
  double duration_s = 0, face_s = 0, speech_s = 0;
  std::optional<double> face_px, yaw, sharpness, brightness, bandwidth_hz, loudness_dbfs;
};

struct Verdict {
  Label label = Label::kInconclusive;
  Score overall;
  std::vector<std::string> reasons;
  PerHead<HeadVerdict> heads;
  std::optional<double> offset_ms;
  double offset_contrast = 0;
  std::vector<Segment> segments;
  Timeline timeline;
  std::vector<TrackVerdict> tracks;
  Quality quality;
  std::vector<std::string> warnings;
};

// What is said about the model in the JSON.
struct ModelCard {
  std::string id, licence, engine;
};

// The verdict as versioned JSON, the same bytes in every language.
std::string ToJson(const Verdict& verdict, const ModelCard& model);

}  // namespace avg
