// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "audio/fft.h"
#include "avg_spec.h"
#include "memory.h"
#include "status.h"

namespace avg {

// Streaming log band energies of 16 kHz mono audio on the clip's clock.
//
// Sample n sits at n / 16000 s. Frame j belongs to the cell of samples [j * 160, (j + 1) * 160) and
// looks at the 400 samples centred on it, [j * 160 - 120, j * 160 + 280); the signal is zero before
// its first and after its last sample. Spectrum: periodic Hann window, 512-point transform divided
// by the window's sum (a full-scale sine peaks at power 0.25). Row: 64 triangles evenly spaced on,
// and straight in, HTK's mel scale 2595 log10(1 + f / 700) (Young et al., The HTK Book, 5.4), then
// 128 means of neighbouring bins (0, 1), (2, 3)...; 0 Hz is set to zero first and 8 kHz left out.
// Natural logarithm of max(power, log_floor). Always finite: a NaN or infinity is read as 0.
//
// Any cutting of the input into pushes gives the same bits. One thread at a time.
class LogMel {
 public:
  static constexpr int kMel = spec::audio::mel_bands;
  static constexpr int kLinear = spec::audio::linear_bands;
  static constexpr int kRow = kMel + kLinear;  // one frame: mel bands, then linear bands

  // `first_sample`: clock index of the first pushed sample, between +-2^60. In an arena there is room for `max_rows`
  // rows that are held and pushes of `max_push` samples.
  explicit LogMel(int64_t first_sample = 0, Arena* arena = nullptr, size_t max_rows = 0, size_t max_push = 0);

  // kWrongOrder after Finish.
  Status Push(const float* in, size_t count);
  // Makes the frames that reach beyond the last sample; the last is the one whose cell holds it.
  Status Finish();

  // Frames held: begin() <= j < end(). The first ever is floor(first_sample / 160).
  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  // Row j, and those after it up to end(), each of kRow floats; null when j is not held. Good until
  // the next call that is not const.
  const float* frame(int64_t j) const;
  // Forgets frames before j, so that memory stays bounded.
  void DiscardBefore(int64_t j);

 private:
  struct Triangle {
    int first_bin;
    int first_weight;
    int count;
  };

  void Design();
  void Analyse(int64_t until);
  void AnalyseGroup(const float* samples, int64_t frames, float* rows) const;
  void Bands(const float* power, float* bands) const;

  Fft fft_;
  Vector<float> window_;
  Vector<Triangle> triangles_;
  Vector<float> weights_;
  Vector<float> samples_;  // starts at the window of frame end_
  Vector<float> rows_;     // starts at frame rows_begin_ <= begin_
  int64_t rows_begin_;
  int64_t begin_;
  int64_t end_;
  int64_t next_sample_;  // clock index after the last pushed sample
  bool any_ = false;
  bool finished_ = false;
};

}  // namespace avg
