// SPDX-License-Identifier: Apache-2.0
#include "clip/grid.h"

#include <algorithm>
#include <cstdlib>

#include "avg_spec.h"
#include "floor_div.h"

namespace avg {
namespace {
constexpr int64_t kPeriod = spec::video::period_us;

bool Near(int64_t index, int64_t t_us) { return std::abs(index * kPeriod - t_us) <= spec::video::max_hold_us; }
}  // namespace

void FrameGrid::Push(int64_t t_us) {
  if (frames_ == 0) {
    // The frame's own cell is the nearest one; ties go to the later cell.
    first_index_ = next_index_ = end_index_ = FloorDiv(t_us + kPeriod / 2, kPeriod);
    last_us_ = t_us;
    frames_ = 1;
    return;
  }
  if (t_us <= last_us_) {
    t_us = last_us_ + 1;
    ++repaired_;
  }
  winner_ = frames_ - 1;
  winner_us_ = last_us_;
  // Cells k with k * period - last <= t - k * period.
  end_index_ = std::max(end_index_, FloorDiv(last_us_ + t_us, 2 * kPeriod) + 1);
  last_us_ = t_us;
  ++frames_;
}

void FrameGrid::Finish() {
  if (frames_ == 0) return;
  winner_ = frames_ - 1;
  winner_us_ = last_us_;
  end_index_ = std::max(end_index_, FloorDiv(last_us_ + kPeriod / 2, kPeriod) + 1);
}

bool FrameGrid::Take(Cell* cell) {
  if (next_index_ >= end_index_) return false;
  *cell = {next_index_, Near(next_index_, winner_us_) ? winner_ : -1};
  ++next_index_;
  return true;
}

}  // namespace avg
