// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "avguard.h"
#include "decide/verdict.h"
#include "memory.h"

namespace avg {

// An event without times and scores.
avg_event NewEvent(avg_event_kind kind, int32_t track);

// Events wait here until somebody asks. They are numbered; when there is no room the oldest goes.
class EventQueue {
 public:
  EventQueue(Arena* arena, size_t capacity) : ring_(arena) { ring_.resize(capacity); }

  // Returns the event's number.
  int64_t Add(avg_event event);
  // Changes the newest event, if it is that one; it will be given again.
  void Change(int64_t number, int64_t end_us, size_t head, double score);
  bool Take(avg_event* event);

 private:
  avg_event& At(int64_t number) { return ring_[static_cast<size_t>(number) % ring_.size()]; }

  Vector<avg_event> ring_;
  int64_t next_ = 0;   // number of the next event
  int64_t given_ = 0;  // events before it were taken
};

}  // namespace avg
