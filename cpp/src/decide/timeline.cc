// SPDX-License-Identifier: Apache-2.0
#include "decide/timeline.h"

#include <algorithm>
#include <cmath>

namespace avg {
namespace {

constexpr int kFramesPerStep = spec::window::frames / kSteps;
constexpr int64_t kStepUs = static_cast<int64_t>(kFramesPerStep) * spec::video::period_us;
constexpr size_t kShortestSegmentSteps = 2;
constexpr size_t kLongestGapSteps = 2;

std::vector<Score> Curve(const std::vector<const WindowScore*>& windows, size_t head, const Calibration& calibration,
                         int64_t first_index, size_t steps) {
  std::vector<double> sum(steps, 0), count(steps, 0);
  for (const WindowScore* window : windows) {
    if (!window->Judged(head)) continue;
    // Windows start on the grid; the last one may start between steps and is rounded to the nearest.
    const int64_t start = (window->first_index - first_index + kFramesPerStep / 2) / kFramesPerStep;
    for (int i = 0; i < kSteps; ++i) {
      const auto step = static_cast<size_t>(start + i);
      if (step >= steps) continue;
      sum[step] += window->steps[head][static_cast<size_t>(i)];
      count[step] += 1;
    }
  }
  std::vector<Score> curve(steps);
  for (size_t step = 0; step < steps; ++step) {
    if (count[step] == 0) continue;
    const double logit = calibration.scale[head] * sum[step] / count[step] + calibration.bias[head];
    curve[step] = 1 / (1 + std::exp(-logit));
  }
  return curve;
}

void AddSegments(const std::vector<Score>& curve, size_t head, double threshold, int64_t start_us,
                 std::vector<Segment>* segments) {
  size_t step = 0;
  const auto suspicious = [&](size_t i) { return curve[i] && *curve[i] >= threshold; };
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
      if (curve[i]) sum += *curve[i], ++count;
    }
    if (last - step + 1 >= kShortestSegmentSteps) {
      segments->push_back({start_us + static_cast<int64_t>(step) * kStepUs,
                           start_us + static_cast<int64_t>(last + 1) * kStepUs, head,
                           sum / static_cast<double>(count)});
    }
    step = last + 1;
  }
}

}  // namespace

void BuildTimeline(const std::vector<const WindowScore*>& windows, const PerHead<std::optional<double>>& clip_logits,
                   const Calibration& calibration, int64_t first_index, int64_t end_index, Verdict* verdict) {
  const auto steps = static_cast<size_t>((end_index - first_index + kFramesPerStep - 1) / kFramesPerStep);
  verdict->timeline.start_us = first_index * spec::video::period_us;
  const int64_t end_us = end_index * spec::video::period_us;
  for (size_t head = 0; head < kHeads; ++head) {
    if (!clip_logits[head]) continue;
    auto& curve = verdict->timeline.scores[head];
    curve = Curve(windows, head, calibration, first_index, steps);
    AddSegments(curve, head, calibration.segment_above[head], verdict->timeline.start_us, &verdict->segments);
  }
  for (Segment& segment : verdict->segments) segment.end_us = std::min(segment.end_us, end_us);
}

}  // namespace avg
