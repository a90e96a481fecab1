// SPDX-License-Identifier: Apache-2.0
// Half a second of sound and a picture of each layout through the stations, in one static block of memory. The results
// go out as the bits of floats and bytes, in hexadecimal; tests/native/check_arm.py makes the same of the same input.
#include <algorithm>
#include <cstring>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "audio/speech.h"
#include "runtime.h"
#include "video/warp.h"

namespace {

constexpr int32_t kRateHz = 48000;
constexpr size_t kBlock = 480, kBlocks = 50, kMaxRows = 16;
constexpr int32_t kWidth = 64, kHeight = 48, kSide = 24;

alignas(64) uint8_t memory[96 * 1024];
avg::SpeechActivity speech;  // large, and of fixed size

// The pattern of avguard/line.py, in [-1, 1).
float Pattern(uint64_t i) { return static_cast<float>((i * 2654435761u + 1) % 4096) / 2048.0f - 1.0f; }

void WriteHex(const void* data, size_t bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  const auto* from = static_cast<const uint8_t*>(data);
  char text[65];
  for (size_t at = 0; at < bytes; at += 32) {
    const size_t count = std::min<size_t>(32, bytes - at);
    for (size_t i = 0; i < count; ++i) {
      text[2 * i] = kDigits[from[at + i] >> 4];
      text[2 * i + 1] = kDigits[from[at + i] & 15];
    }
    text[2 * count] = '\0';
    Write(text);
  }
}

void WriteNumber(const char* name, uint32_t value) {
  char digits[12] = "";
  char* at = digits + 10;
  do *--at = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  Write(name);
  Write(" ");
  Write(at);
  Write("\n");
}

void TakeRows(avg::LogMel* mel) {
  for (int64_t j = mel->begin(); j < mel->end(); ++j) {
    Write("mel ");
    WriteHex(mel->frame(j), avg::LogMel::kRow * sizeof(float));
    Write("\n");
    speech.Push(mel->frame(j));
  }
  mel->DiscardBefore(mel->end());
}

size_t Sound() {
  avg::Arena arena(memory, sizeof memory);
  avg::Resampler resampler(kRateHz, &arena);
  avg::LogMel mel(0, &arena, kMaxRows, 2 * kBlock);
  avg::Vector<float> resampled(&arena);
  resampled.reserve(2 * kBlock);
  float block[kBlock];
  for (size_t at = 0; at < kBlocks * kBlock; at += kBlock) {
    for (size_t i = 0; i < kBlock; ++i) block[i] = Pattern(at + i);
    resampler.Push(block, kBlock, &resampled);
    mel.Push(resampled.data(), resampled.size());
    resampled.clear();
    TakeRows(&mel);
  }
  resampler.Finish(&resampled);
  mel.Push(resampled.data(), resampled.size());
  mel.Finish();
  TakeRows(&mel);
  return arena.used();
}

// Half the size and turned, as a crop is.
constexpr avg::Affine kMap = {1.75, 0.25, 4, -0.25, 1.75, 8};

void Pictures() {
  for (int32_t format = 0; format <= static_cast<int32_t>(avg::PixelFormat::kGray8); ++format) {
    avg::Image image;
    image.format = static_cast<avg::PixelFormat>(format);
    image.width = kWidth;
    image.height = kHeight;
    uint8_t* at = memory;
    for (int plane = 0; plane < avg::PlaneCount(image.format); ++plane) {
      image.plane[plane] = at;
      image.stride[plane] = static_cast<ptrdiff_t>(avg::RowBytes(image, plane));
      at += avg::RowBytes(image, plane) * static_cast<size_t>(avg::PlaneRows(image, plane));
    }
    for (uint8_t* byte = memory; byte < at; ++byte) *byte = static_cast<uint8_t>((byte - memory) * 89 % 251);
    avg::Level rgb[3 * kSide * kSide];
    avg::WarpToRgb(image, kMap, kSide, kSide, avg::Border::kReplicate, rgb);
    Write("rgb ");
    WriteHex(rgb, sizeof rgb);
    Write("\n");
  }
}

}  // namespace

void Main() {
  const size_t used = Sound();
  Pictures();
  WriteNumber("stack", StackUsed());
  WriteNumber("arena", used);
  WriteNumber("speech_state", sizeof speech);
  WriteNumber("speech_frames", static_cast<uint32_t>(speech.speech_frames()));
}
