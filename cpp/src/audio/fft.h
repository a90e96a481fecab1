// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>

namespace avg {

// Discrete Fourier transform of four independent real signals of 512 samples at once.
//
// The four signals lie side by side ("lanes"): element n of lane l is at [4 * n + l]. Every lane
// goes through the same operations in the same order, so its result does not depend on the others,
// and the compiler can use one 128-bit register per value on any target.
class Fft {
 public:
  static constexpr int kSize = 512;
  static constexpr int kBins = kSize / 2 + 1;
  static constexpr int kLanes = 4;

  Fft();
  // X[k] = sum_n in[n] exp(-2 pi i k n / 512). `in`: [512][4]; `re`, `im`: [257][4]; no overlap.
  void Forward(const float* in, float* re, float* im) const;

 private:
  static constexpr int kHalf = kSize / 2;

  std::array<float, kSize> cos_;  // of 2 pi k / 512
  std::array<float, kSize> sin_;
};

}  // namespace avg
