// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "avguard.h"
#include "decide/calibration.h"
#include "decide/texts.h"
#include "memory.h"

namespace avg {

enum class Label : uint8_t { kReal = AVG_REAL, kFake = AVG_FAKE, kInconclusive = AVG_INCONCLUSIVE };

using Score = std::optional<double>;  // calibrated probability of manipulation

inline constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();
inline double OrNan(std::optional<double> value) { return value.value_or(kNoScore); }

struct HeadVerdict {
  Label label = Label::kInconclusive;
  Score score;
  uint32_t reasons = 0;  // AVG_REASON_ bits
};

struct Quality {
  double duration_s = 0, face_s = 0, speech_s = 0;
  std::optional<double> face_px, yaw, sharpness, brightness, bandwidth_hz, loudness_dbfs;
};

// What becomes a verdict in the C header and in JSON. Its lists lie in one arena, or on the heap without one.
struct Verdict {
  // Room for a clip of so many timeline steps, and so many tracks; on the heap they grow.
  Verdict(Arena* arena, size_t steps, size_t tracks, size_t text_bytes);

  Label label = Label::kInconclusive;
  Score overall;
  uint32_t reasons = 0;
  PerHead<HeadVerdict> heads;
  std::optional<double> offset_ms;
  double offset_contrast = 0;
  Vector<avg_segment> segments;
  int64_t timeline_start_us = 0;
  // At a fixed rate, NaN where nothing could be judged; empty for a head that was not judged.
  PerHead<Vector<double>> timeline;
  Vector<uint16_t> covered;  // scratch: windows that cover a step
  Vector<avg_track> tracks;
  Quality quality;
  Texts warnings;
};

// What is said about the model in the JSON.
struct ModelCard {
  std::string id, licence, engine;
};

// The verdict as versioned JSON, the same bytes in every language and locale. Writes as much of it as fits in
// `capacity` bytes, without a NUL, and returns the whole length.
size_t WriteJson(const Verdict& verdict, const ModelCard& model, char* json, size_t capacity);

}  // namespace avg
