// SPDX-License-Identifier: Apache-2.0
// The structs of avguard.h, read from and written for programs that may know more or fewer members than this library.
#pragma once
#include <algorithm>
#include <cstring>

#include "avguard.h"
#include "decide/verdict.h"
#include "sound.h"
#include "video/stored_image.h"

namespace avg {

// Larger ones are garbage, not a later version.
inline constexpr size_t kMaxStructBytes = 4096;

// `first_version`: the size in the first release, below which no program can be compiled.
template <typename T>
avg_status CheckOutput(const T* given, size_t first_version = sizeof(T)) {
  if (given == nullptr) return AVG_INVALID_ARGUMENT;
  const bool possible = given->struct_size >= first_version && given->struct_size <= kMaxStructBytes;
  return possible ? AVG_OK : AVG_INVALID_ARGUMENT;
}

// Copies what both sides know. Null stands for all defaults. AVG_UNSUPPORTED when members are set that this library
// does not know.
template <typename T>
avg_status ReadStruct(const T* given, T* known, size_t first_version = sizeof(T)) {
  if (given == nullptr) return AVG_OK;
  const avg_status status = CheckOutput(given, first_version);
  if (status != AVG_OK) return status;
  const size_t size = given->struct_size;
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) return AVG_UNSUPPORTED;
  }
  std::memcpy(known, given, std::min(size, sizeof(T)));
  return AVG_OK;
}

// To a struct that was checked; members that this library does not know become zero.
template <typename T>
void WriteStruct(const T& known, T* out) {
  const size_t size = out->struct_size;
  auto* bytes = reinterpret_cast<unsigned char*>(out);
  std::memcpy(bytes, &known, std::min(size, sizeof(T)));
  if (size > sizeof(T)) std::memset(bytes + sizeof(T), 0, size - sizeof(T));
  out->struct_size = size;
}

avg_status ReadFrame(const avg_frame* given, Image* image, int64_t* t_us, Release* release);
avg_status ReadAudio(const avg_audio* given, Pcm* pcm, int64_t* t_us);
// Points into `verdict` and `card`.
avg_verdict VerdictOf(const Verdict& verdict, const ModelCard& card);

}  // namespace avg
