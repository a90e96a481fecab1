// SPDX-License-Identifier: Apache-2.0
#include "decide/live.h"

#include <algorithm>

namespace avg {
namespace {

constexpr int64_t kLongestGapUs = static_cast<int64_t>(kLongestGapSteps) * kStepUs;
constexpr int64_t kShortestUs = static_cast<int64_t>(kShortestSegmentSteps) * kStepUs;

}  // namespace

LiveSegments::Curve* LiveSegments::Find(int32_t track, size_t head) {
  Curve* free = nullptr;
  for (Curve& curve : curves_) {
    if (curve.used && curve.track == track && curve.head == head) return &curve;
    if (!curve.used) free = &curve;
  }
  if (free == nullptr) return nullptr;
  *free = {};
  free->track = track;
  free->head = head;
  free->pending_first = INT64_MIN;
  return free;
}

void LiveSegments::Add(const WindowScore& window) {
  FlushBefore(window.first_index);
  for (const size_t head : {kVideo, kSync, kDesync}) {
    if (window.Judged(head)) AddHead(window, window.track, head);
  }
  if (!window.Judged(kAudio) || window.first_index == last_sound_) return;
  last_sound_ = window.first_index;
  AddHead(window, -1, kAudio);
}

void LiveSegments::AddHead(const WindowScore& window, int32_t track, size_t head) {
  Curve* curve = Find(track, head);
  if (curve == nullptr) return;
  const auto& steps = window.steps[head];
  const bool again = curve->used && curve->pending_first == window.first_index;
  const int64_t start_us = window.first_index * spec::video::period_us;
  // The clip's last window begins a little before that.
  if (curve->used && !again) FlushPending(curve);
  curve->used = true;
  for (int i = 0; i < kHalf; ++i) {
    const auto at = static_cast<size_t>(i);
    const double logit = again ? (static_cast<double>(curve->pending[at]) + steps[at]) / 2 : steps[at];
    Step(curve, start_us + i * kStepUs, logit);
  }
  std::copy(steps.begin() + kHalf, steps.end(), curve->pending.begin());
  curve->pending_first = window.first_index + kHalfFrames;
}

void LiveSegments::FlushBefore(int64_t first_index) {
  for (Curve& curve : curves_) {
    if (!curve.used || curve.pending_first >= first_index) continue;
    FlushPending(&curve);
    Close(&curve);
    curve.used = false;
  }
}

void LiveSegments::FlushPending(Curve* curve) {
  for (int i = 0; i < kHalf; ++i) {
    Step(curve, curve->pending_first * spec::video::period_us + i * kStepUs, curve->pending[static_cast<size_t>(i)]);
  }
}

void LiveSegments::Finish() { FlushBefore(INT64_MAX); }

void LiveSegments::Step(Curve* curve, int64_t start_us, double logit) {
  if (start_us < curve->next_us) return;
  curve->next_us = start_us + kStepUs;
  const size_t head = curve->head;
  const double score = Sigmoid(calibration_.scale[head] * logit + calibration_.bias[head]);
  if (curve->open && start_us - curve->last_us >= kLongestGapUs) Close(curve);
  if (!(score >= calibration_.segment_above[head])) {
    if (curve->open) curve->gap_sum += score, ++curve->gap_count;
    return;
  }
  if (!curve->open) {
    curve->open = true;
    curve->start_us = start_us;
    curve->number = -1;
    curve->sum = curve->gap_sum = 0;
    curve->count = curve->gap_count = 0;
  }
  curve->sum += curve->gap_sum + score;
  curve->count += curve->gap_count + 1;
  curve->gap_sum = 0;
  curve->gap_count = 0;
  curve->last_us = start_us + kStepUs;
  const double mean = curve->sum / static_cast<double>(curve->count);
  if (curve->number >= 0) {
    events_.Change(curve->number, curve->last_us, head, mean);
  } else if (curve->last_us - curve->start_us >= kShortestUs) {
    avg_event event = NewEvent(AVG_SEGMENT_OPENED, curve->track);
    event.head = static_cast<int32_t>(head);
    event.start_us = curve->start_us;
    event.end_us = curve->last_us;
    event.scores[head] = mean;
    curve->number = events_.Add(event);
  }
}

void LiveSegments::Close(Curve* curve) {
  if (curve->open && curve->number >= 0) {
    avg_event event = NewEvent(AVG_SEGMENT_CLOSED, curve->track);
    event.head = static_cast<int32_t>(curve->head);
    event.start_us = curve->start_us;
    event.end_us = curve->last_us;
    event.scores[curve->head] = curve->sum / static_cast<double>(curve->count);
    events_.Add(event);
  }
  curve->open = false;
}

}  // namespace avg
