// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "faces.h"
#include "memory.h"

namespace avg {

// The newest faces of all tracks, each track's in a list by grid index. Places that are let go are used again first, so
// only as much memory is touched as is needed at a time.
class FaceHistory {
 public:
  static constexpr int32_t kNone = -1;

  // One track's faces, oldest first.
  struct List {
    int32_t first = kNone, last = kNone;
  };
  struct Entry {
    int64_t index;
    FaceFrame face;
    int32_t next;
  };

  FaceHistory(Arena* arena, size_t capacity) : entries_(arena) { entries_.reserve(capacity); }

  // False when there is no place left.
  bool Append(List* list, int64_t index, const FaceFrame& face);
  // Lets go of what is older than grid index `before`.
  void Forget(List* list, int64_t before);
  template <typename Visit>
  void ForEach(const List& list, Visit visit) const {
    for (int32_t at = list.first; at != kNone; at = entries_[static_cast<size_t>(at)].next) {
      visit(entries_[static_cast<size_t>(at)].index, entries_[static_cast<size_t>(at)].face);
    }
  }

 private:
  Entry& At(int32_t place) { return entries_[static_cast<size_t>(place)]; }

  Vector<Entry> entries_;
  int32_t free_ = kNone;  // the list of places that were let go
};

}  // namespace avg
