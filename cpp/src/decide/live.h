// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "decide/decide.h"
#include "decide/events.h"
#include "decide/timeline.h"

namespace avg {

// Tells of suspicious stretches while the clip runs, by the rule that cuts the verdict's segments out of its timeline.
// A time step is judged once, when no later window covers it. Sound belongs to no face: its track is -1.
class LiveSegments {
 public:
  LiveSegments(const Calibration& calibration, EventQueue* events) : calibration_(calibration), events_(*events) {}

  // The next window; windows come by first_index.
  void Add(const WindowScore& window);
  // No more windows.
  void Finish();

 private:
  static constexpr int kHalf = kSteps / 2;
  static_assert(spec::window::stride_frames * 2 == spec::window::frames && kSteps % 2 == 0,
                "a step is covered by two windows");
  static constexpr int64_t kHalfFrames = spec::window::stride_frames;
  // Of two windows in a row, in each of which twice as many faces may show for half of it; and the sound.
  static constexpr size_t kCurves = 2 * 2 * spec::face::max_tracks * (kHeads - 1) + 1;

  // What is known of one head of one track.
  struct Curve {
    bool used = false;
    int32_t track = -1;
    size_t head = 0;
    int64_t pending_first = 0;  // grid index of the half window that may be covered again
    std::array<float, kHalf> pending{};
    bool open = false;
    int64_t next_us = INT64_MIN;        // steps before it were judged
    int64_t start_us = 0, last_us = 0;  // of the suspicious stretch; the end of its last suspicious step
    double sum = 0, gap_sum = 0;
    int64_t count = 0, gap_count = 0;
    int64_t number = -1;  // of its event; -1 while it is too short to be told
  };

  Curve* Find(int32_t track, size_t head);
  void AddHead(const WindowScore& window, int32_t track, size_t head);
  void FlushBefore(int64_t first_index);
  void FlushPending(Curve* curve);
  void Step(Curve* curve, int64_t start_us, double logit);
  void Close(Curve* curve);

  const Calibration& calibration_;
  EventQueue& events_;
  std::array<Curve, kCurves> curves_;
  int64_t last_sound_ = INT64_MIN;  // first_index of the last window whose sound was added
};

}  // namespace avg
