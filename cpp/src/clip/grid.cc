// SPDX-License-Identifier: Apache-2.0
#include "clip/grid.h"

#include <cstdlib>

#include "avg_spec.h"
#include "floor_div.h"

namespace avg {
namespace {
constexpr int64_t kPeriod = spec::video::period_us;

bool Near(int64_t index, int64_t t_us) { return std::abs(index * kPeriod - t_us) <= spec::video::max_hold_us; }
}  // namespace

void FrameGrid::Push(int64_t t_us, std::vector<Cell>* cells) {
  if (frames_ == 0) {
    // The frame's own cell is the nearest one; ties go to the later cell.
    first_index_ = next_index_ = FloorDiv(t_us + kPeriod / 2, kPeriod);
    last_us_ = t_us;
    frames_ = 1;
    return;
  }
  if (t_us <= last_us_) {
    t_us = last_us_ + 1;
    ++repaired_;
  }
  const int64_t previous = frames_ - 1;
  for (; next_index_ * kPeriod - last_us_ <= t_us - next_index_ * kPeriod; ++next_index_) {
    cells->push_back({next_index_, Near(next_index_, last_us_) ? previous : -1});
  }
  last_us_ = t_us;
  ++frames_;
}

void FrameGrid::Finish(std::vector<Cell>* cells) {
  if (frames_ == 0) return;
  const int64_t own = FloorDiv(last_us_ + kPeriod / 2, kPeriod);
  for (; next_index_ <= own; ++next_index_) {
    cells->push_back({next_index_, Near(next_index_, last_us_) ? frames_ - 1 : -1});
  }
}

}  // namespace avg
