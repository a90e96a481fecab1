// SPDX-License-Identifier: Apache-2.0
#include "decide/timeline.h"

#include <algorithm>
#include <cmath>

namespace avg {
namespace {

// NaN where no window looked.
void FillCurve(const Selection& windows, size_t head, const Calibration& calibration, size_t steps, Verdict* verdict) {
  Vector<double>& curve = verdict->timeline[head];
  Vector<uint16_t>& covered = verdict->covered;
  curve.assign(steps, 0.0);
  covered.assign(steps, 0);
  windows.ForEach([&](const WindowScore& window) {
    if (!window.Judged(head)) return;
    // Windows start on the grid; the last one may start between steps and is rounded to the nearest.
    const int64_t start = (window.first_index - windows.evidence.first_index + kFramesPerStep / 2) / kFramesPerStep;
    for (int i = 0; i < kSteps; ++i) {
      const auto step = static_cast<size_t>(start + i);
      if (step >= steps) continue;
      curve[step] += window.steps[head][static_cast<size_t>(i)];
      ++covered[step];
    }
  });
  for (size_t step = 0; step < steps; ++step) {
    const bool judged = covered[step] > 0;
    if (judged) curve[step] = calibration.scale[head] * curve[step] / covered[step] + calibration.bias[head];
    curve[step] = judged ? Sigmoid(curve[step]) : kNoScore;
  }
}

Status AddSegments(const Vector<double>& curve, size_t head, double threshold, int64_t start_us,
                   Vector<avg_segment>* segments) {
  size_t step = 0;
  const auto suspicious = [&](size_t i) { return curve[i] >= threshold; };
  while (step < curve.size()) {
    if (!suspicious(step)) {
      ++step;
      continue;
    }
    size_t last = step;
    for (size_t i = step + 1; i < curve.size() && i - last <= kLongestGapSteps; ++i) {
      if (suspicious(i)) last = i;
    }
    double sum = 0;
    size_t count = 0;
    for (size_t i = step; i <= last; ++i) {
      if (!std::isnan(curve[i])) sum += curve[i], ++count;
    }
    if (last - step + 1 >= kShortestSegmentSteps) {
      if (!HasRoom(*segments, 1)) return Status::kLimit;
      segments->push_back({start_us + static_cast<int64_t>(step) * kStepUs,
                           start_us + static_cast<int64_t>(last + 1) * kStepUs, sum / static_cast<double>(count),
                           static_cast<int32_t>(head)});
    }
    step = last + 1;
  }
  return Status::kOk;
}

}  // namespace

Status BuildTimeline(const Selection& windows, const PerHead<std::optional<double>>& clip_logits,
                     const Calibration& calibration, Verdict* verdict) {
  const Evidence& evidence = windows.evidence;
  const int64_t frames = evidence.end_index - evidence.first_index;
  const auto steps = static_cast<size_t>((frames + kFramesPerStep - 1) / kFramesPerStep);
  verdict->timeline_start_us = evidence.first_index * spec::video::period_us;
  if (!HasRoom(verdict->covered, steps)) return Status::kLimit;
  for (size_t head = 0; head < kHeads; ++head) {
    if (!clip_logits[head]) continue;
    FillCurve(windows, head, calibration, steps, verdict);
    const Status status = AddSegments(verdict->timeline[head], head, calibration.segment_above[head],
                                      verdict->timeline_start_us, &verdict->segments);
    if (status != Status::kOk) return status;
  }
  const int64_t end_us = evidence.end_index * spec::video::period_us;
  for (avg_segment& segment : verdict->segments) segment.end_us = std::min(segment.end_us, end_us);
  return Status::kOk;
}

}  // namespace avg
