// SPDX-License-Identifier: Apache-2.0
// The same bits on every CPU and with every C library: sums over the bits of what the line computes, made once on
// x86-64 and held by every build that runs these tests, under qemu too.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <limits>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "bundle.h"
#include "elementary.h"
#include "engine/engine.h"

namespace {

// FNV-1a.
class BitSum {
 public:
  template <typename Value>
  void Add(const Value* values, size_t count) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values);
    for (size_t i = 0; i < count * sizeof(Value); ++i) sum_ = (sum_ ^ bytes[i]) * 16777619u;
  }
  bool Is(uint32_t expected, const char* what) const {
    if (sum_ != expected) std::printf("%s: 0x%08x, expected 0x%08x\n", what, sum_, expected);
    return sum_ == expected;
  }

 private:
  uint32_t sum_ = 2166136261u;
};

// Whole numbers below 2^24 in a long circle, so that a float holds each exactly.
struct Noise {
  uint32_t state = 1;
  uint32_t Next() { return (state = state * 1664525u + 1013904223u) >> 8; }
  // In [low, high), a multiple of a power of two if both are.
  double In(double low, double high) { return low + (high - low) * (Next() / 16777216.0); }
};

double Off(double found, double truth) { return std::abs(found - truth) / std::max(std::abs(truth), 1.0); }

}  // namespace

TEST(ElementaryFunctionsAreTrue) {
  Noise noise;
  double worst = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = noise.In(-64, 64), y = noise.In(-64, 64);
    worst = std::max(worst, std::abs(avg::Exp(x) / std::exp(x) - 1));
    const double positive = std::ldexp(1 + noise.In(0, 1), i % 2000 - 1000);
    worst = std::max(worst, Off(avg::Log(positive), std::log(positive)));
    worst = std::max(worst, Off(avg::Log10(positive), std::log10(positive)));
    worst = std::max({worst, Off(avg::Sin(x), std::sin(x)), Off(avg::Cos(x), std::cos(x))});
    worst = std::max({worst, Off(avg::Atan2(y, x), std::atan2(y, x)), Off(avg::Length(x, y), std::hypot(x, y))});
  }
  CHECK(worst < 1e-15);
}

TEST(ElementaryFunctionsAnswerAtTheirEdges) {
  const double infinity = std::numeric_limits<double>::infinity(), none = std::nan("");
  CHECK(avg::Exp(-infinity) == 0 && avg::Exp(infinity) == infinity && std::isnan(avg::Exp(none)));
  CHECK(avg::Exp(0) == 1 && avg::Exp(709) > 8e307 && avg::Log(1) == 0);
  CHECK(std::isnan(avg::Sin(infinity)) && std::isnan(avg::Cos(none)) && std::isnan(avg::Atan2(none, 1)));
  CHECK(avg::Atan2(0, 0) == 0 && avg::Atan2(0, 1) == 0 && avg::Atan2(0, -1) == std::acos(-1.0));
  CHECK(avg::Atan2(1, 0) == std::acos(0.0) && avg::Atan2(-1, 0) == -std::acos(0.0));
}

TEST(ElementaryFunctionsHaveTheSameBits) {
  Noise noise;
  BitSum sum;
  for (int i = 0; i < 20000; ++i) {
    const double x = noise.In(-64, 64), y = noise.In(-64, 64);
    const double values[] = {avg::Exp(x), avg::Log(std::abs(x) + 1), avg::Sin(x),
                             avg::Cos(x), avg::Atan2(y, x),          avg::Length(x, y)};
    sum.Add(values, std::size(values));
  }
  CHECK(sum.Is(0x9ed4f7b4, "elementary functions"));
}

TEST(SoundHasTheSameBits) {
  BitSum sum;
  for (const int32_t rate_hz : {8000, 44100, 48000}) {
    Noise noise;
    std::vector<float> samples(static_cast<size_t>(rate_hz) / 4);
    for (float& sample : samples) sample = static_cast<float>(noise.In(-1, 1));
    avg::Resampler resampler(rate_hz);
    avg::Vector<float> resampled;
    resampler.Push(samples.data(), samples.size(), &resampled);
    resampler.Finish(&resampled);
    avg::LogMel mel(0);
    mel.Push(resampled.data(), resampled.size());
    mel.Finish();
    sum.Add(resampled.data(), resampled.size());
    for (int64_t j = mel.begin(); j < mel.end(); ++j) sum.Add(mel.frame(j), avg::LogMel::kRow);
  }
  CHECK(sum.Is(0xc80b453c, "resampled sound and its log-mel rows"));
}

#ifndef AVG_TEST_QUICK_ENGINE
namespace {

// XNNPACK multiplies and adds with one rounding wherever the CPU can.
bool FusesMultiplyAdd() {
#ifdef __x86_64__
  return __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

bool NetworkHasBits(const char* file, double low, uint32_t expected) {
  const Bundle bundle;
  const auto& bytes = bundle.bytes.at(file);
  std::shared_ptr<const avg::EngineProgram> program;
  avg::Owned<avg::Network> network;
  std::string error;
  if (avg::OpenProgram({bytes.data(), bytes.size(), nullptr}, &program, &error) != avg::Status::kOk) return false;
  if (program->CreateNetwork(nullptr, &network, &error) != avg::Status::kOk) return false;
  Noise noise;
  for (size_t i = 0; i < network->input_size(0); ++i) network->input(0)[i] = static_cast<float>(noise.In(low, 1));
  if (network->Run() != avg::Status::kOk) return false;
  BitSum sum;
  for (size_t i = 0; i < network->outputs(); ++i) sum.Add(network->output(i), network->output_size(i));
  return sum.Is(expected, file);
}

}  // namespace

TEST(FaceNetworksHaveTheSameBits) {
  if (!FusesMultiplyAdd()) return;
  CHECK(NetworkHasBits("face_detector.pte", -1, 0x580e90c1));
  CHECK(NetworkHasBits("face_mesh.pte", 0, 0xff36eb0e));
}
#endif
