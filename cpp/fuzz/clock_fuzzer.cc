// SPDX-License-Identifier: Apache-2.0
// Timestamps as broken containers have them: cells of the grid come once each, in order, and show a frame that is near;
// sound at any time lands on one clock.
#include <cstdlib>

#include "avg_spec.h"
#include "clip/grid.h"
#include "input.h"
#include "sound.h"

namespace {

void Grid(Input input) {
  avg::FrameGrid grid;
  int64_t frames = 0, next = 0;
  bool any = false;
  const auto take = [&] {
    for (avg::FrameGrid::Cell cell; grid.Take(&cell);) {
      if (any) HOLDS(cell.index == next);
      HOLDS(cell.frame >= -1 && cell.frame < frames);
      next = cell.index + 1;
      any = true;
    }
  };
  int64_t t_us = input.Take<int32_t>();
  while (!input.empty() && frames < 200) {
    const int64_t before_us = grid.last_time_us();
    grid.Push(t_us);
    if (frames++ > 0) HOLDS(grid.last_time_us() > before_us);
    take();
    t_us += input.Take<int16_t>() * int64_t{9};
  }
  grid.Finish();
  take();
  if (frames > 0) HOLDS(any && grid.frames() == frames && next == grid.next_index());
}

void Sound(Input input) {
  avg::SoundLine line({nullptr, 0, true});
  const std::vector<int16_t> samples(2 * 4000, 1000);
  const int32_t rate_hz = input.Between(0, 3) == 0 ? 8000 : 16000;
  int64_t t_us = input.Take<int32_t>();
  for (int pushes = 0; !input.empty() && pushes < 30; ++pushes) {
    const int32_t channels = input.Between(1, 2);
    const avg::Pcm pcm{samples.data(), static_cast<size_t>(input.Between(0, 4000)), rate_hz, channels, true};
    const avg::Status begun = line.Begin(pcm, t_us);
    for (bool more = begun == avg::Status::kOk; more;) HOLDS(line.Feed(pcm, &more) == avg::Status::kOk);
    for (int64_t j = line.begin(); j < line.end(); ++j) HOLDS(line.frame(j) != nullptr);
    HOLDS(line.frame(line.end()) == nullptr && line.frame(line.begin() - 1) == nullptr);
    t_us += input.Take<int16_t>() * int64_t{20};
    line.DiscardBefore(line.begin() + input.Take<uint8_t>());
  }
  const bool started = line.started();
  HOLDS(line.Finish() == avg::Status::kOk);
  HOLDS(line.speech_frames() >= 0 && started == line.started());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  input.Take<uint8_t>() % 2 == 0 ? Grid(input) : Sound(input);
  return 0;
}
