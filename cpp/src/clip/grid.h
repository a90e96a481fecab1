// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace avg {

// Places timestamped frames on the clip's grid (cell k is the instant k * period_us), nearest frame first, and repairs
// what containers get wrong. Frames are named by a running number; the caller keeps the two newest.
class FrameGrid {
 public:
  // Which frame a cell shows; -1 when the nearest one is further away than the spec's max_hold_us.
  struct Cell {
    int64_t index;
    int64_t frame;
  };

  // Adds the next frame; then Take gives the cells that the previous one wins. Times that do not move forward are
  // counted and moved to one microsecond after their predecessor.
  void Push(int64_t t_us);
  // Then Take gives the cells of the last frame: one, its own.
  void Finish();
  // The next decided cell; false when there is none left.
  bool Take(Cell* cell);

  bool started() const { return frames_ > 0; }
  int64_t first_index() const { return first_index_; }
  int64_t next_index() const { return next_index_; }  // first cell not decided yet
  int64_t last_time_us() const { return last_us_; }
  int64_t repaired() const { return repaired_; }
  int64_t frames() const { return frames_; }

 private:
  int64_t frames_ = 0;
  int64_t last_us_ = 0;
  int64_t first_index_ = 0;
  int64_t next_index_ = 0;
  int64_t end_index_ = 0;  // cells before it are decided
  int64_t winner_ = 0;     // the frame that they show,
  int64_t winner_us_ = 0;  // and its time
  int64_t repaired_ = 0;
};

}  // namespace avg
