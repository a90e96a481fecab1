// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "memory.h"
#include "status.h"

namespace avg {

// Streaming sample-rate converter to the spec's 16 kHz.
//
// Windowed-sinc interpolation (Smith & Gossett, "A flexible sampling-rate conversion method", 1984)
// with a Kaiser window. With N = half the lower of the two rates: flat within 0.1 dB up to 0.9 N,
// at least 80 dB down from N on, so nothing folds back. Output sample n is the input's waveform at
// n / 16000 s after the first input sample: there is no delay to take off. The signal is taken as
// zero before its first and after its last sample. `count` input samples give
// ceil(count * 16000 / rate) output samples. Any cutting of the input into pushes gives the same
// bits. A NaN or infinity is read as 0 and counted.
class Resampler {
 public:
  static constexpr int32_t kMinRateHz = 4000;
  static constexpr int32_t kMaxRateHz = 192000;

  // Of all rates, this one needs the most memory.
  static constexpr int32_t kLargestHz = 142528;

  // A rate outside kMinRateHz..kMaxRateHz makes every later call answer kInvalidArgument. Takes all its memory here.
  explicit Resampler(int32_t rate_hz, Arena* arena = nullptr);

  // Appends to `out` what can be computed so far. kWrongOrder after Finish.
  Status Push(const float* in, size_t count, Vector<float>* out);
  // Appends the rest.
  Status Finish(Vector<float>* out);

  int64_t samples_in() const { return received_; }
  int64_t samples_out() const { return produced_; }
  int64_t replaced() const { return replaced_; }  // input samples that were not finite

 private:
  void Design(int32_t rate_hz);
  void FillRow(int row, double cutoff, double half_width);
  void Produce(int64_t limit, Vector<float>* out);
  float At(int64_t centre, int64_t remainder) const;

  Status status_ = Status::kOk;
  int64_t up_ = 1;  // output time n is input position n * down / up
  int64_t down_ = 1;
  int taps_ = 0;  // multiple of 8; 0 when the input is at 16 kHz already
  int phases_ = 0;
  bool blend_ = false;   // table is too coarse for the ratio: interpolate between neighbouring rows
  Vector<float> table_;  // [phases + 1][taps]
  Vector<float> buffer_;
  int64_t buffer_first_ = 0;  // input index of buffer_[0]
  int64_t received_ = 0;
  int64_t produced_ = 0;
  int64_t replaced_ = 0;
};

}  // namespace avg
