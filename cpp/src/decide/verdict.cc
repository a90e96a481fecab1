// SPDX-License-Identifier: Apache-2.0
#include "decide/verdict.h"

#include "decide/timeline.h"

namespace avg {

Verdict::Verdict(Arena* arena, size_t steps, size_t track_limit, size_t text_bytes)
    : segments(arena), covered(arena), tracks(arena), warnings(arena, text_bytes) {
  // A segment, and the gap that parts it from the next.
  constexpr size_t kStepsPerSegment = kShortestSegmentSteps + kLongestGapSteps;
  segments.reserve(kHeads * (steps / kStepsPerSegment + 1));
  covered.reserve(steps);
  tracks.reserve(track_limit);
  for (auto& curve : timeline) {
    curve = Vector<double>(arena);
    curve.reserve(steps);
  }
}

}  // namespace avg
