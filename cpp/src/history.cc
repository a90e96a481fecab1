// SPDX-License-Identifier: Apache-2.0
#include "history.h"

namespace avg {

bool FaceHistory::Append(List* list, int64_t index, const FaceFrame& face) {
  int32_t place = free_;
  if (place != kNone) {
    free_ = At(place).next;
  } else {
    // Never beyond the reserved places: moving them would cost more than they hold.
    if (entries_.size() == entries_.capacity()) return false;
    place = static_cast<int32_t>(entries_.size());
    entries_.emplace_back();
  }
  Entry& entry = At(place);
  entry.index = index;
  entry.face = face;
  entry.next = kNone;
  if (list->last != kNone) {
    At(list->last).next = place;
  } else {
    list->first = place;
  }
  list->last = place;
  return true;
}

void FaceHistory::Forget(List* list, int64_t before) {
  while (list->first != kNone && At(list->first).index < before) {
    const int32_t place = list->first;
    list->first = At(place).next;
    At(place).next = free_;
    free_ = place;
  }
  if (list->first == kNone) list->last = kNone;
}

}  // namespace avg
