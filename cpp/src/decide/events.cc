// SPDX-License-Identifier: Apache-2.0
#include "decide/events.h"

#include <algorithm>

namespace avg {

avg_event NewEvent(avg_event_kind kind, int32_t track) {
  avg_event event{};
  event.struct_size = sizeof event;
  event.kind = kind;
  event.track = track;
  event.head = -1;
  std::fill(std::begin(event.scores), std::end(event.scores), kNoScore);
  return event;
}

int64_t EventQueue::Add(avg_event event) {
  event.number = next_++;
  At(event.number) = event;
  given_ = std::max(given_, next_ - static_cast<int64_t>(ring_.size()));
  return event.number;
}

void EventQueue::Change(int64_t number, int64_t end_us, size_t head, double score) {
  if (number != next_ - 1) return;
  avg_event& event = At(number);
  event.end_us = end_us;
  event.scores[head] = score;
  given_ = std::min(given_, number);
}

bool EventQueue::Take(avg_event* event) {
  if (given_ == next_) return false;
  *event = At(given_++);
  return true;
}

}  // namespace avg
