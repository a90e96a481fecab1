// SPDX-License-Identifier: Apache-2.0
// What fuzz targets share: numbers read from the fuzzer's bytes, and a check that ends the run.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define HOLDS(condition)                                                                  \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  size_t left() const { return left_; }
  const uint8_t* rest() const { return at_; }

  // Zero bits where the input has ended.
  template <typename T>
  T Take() {
    T value{};
    const size_t bytes = sizeof value < left_ ? sizeof value : left_;
    std::memcpy(&value, at_, bytes);
    at_ += bytes;
    left_ -= bytes;
    return value;
  }
  int32_t Between(int32_t least, int32_t most) {
    return least + static_cast<int32_t>(Take<uint16_t>() % static_cast<uint32_t>(most - least + 1));
  }

 private:
  const uint8_t* at_;
  size_t left_;
};
