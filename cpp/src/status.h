// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace avg {

// What an operation of the core came to; the numbers are those of avg_status in avguard.h. Every fallible function
// returns one; outputs are untouched unless kOk.
enum class Status : int32_t {
  kOk = 0,
  kInvalidArgument = 2,  // a pointer, size, format or time makes no sense
  kWrongOrder = 3,       // push after finish, or finish twice
  kModel = 6,            // bytes are not a program, or one made for another spec
  kEngine = 7,           // the runtime failed to load or run a verified program
  kLimit = 8,            // larger than a stated limit
  kNoMemory = 9,         // the caller's block or the heap is too small
  kUnsupported = 10,     // this build cannot do it
};

}  // namespace avg
