// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace avg {

// What an operation of the core came to. Every fallible function returns one; outputs are untouched unless kOk.
enum class Status : int32_t {
  kOk = 0,
  kInvalidArgument,  // a pointer, size, format or time makes no sense
  kWrongOrder,       // push after finish, or finish twice
  kModel,            // bytes are not a program, or one made for another spec
  kEngine,           // the runtime failed to load or run a verified program
  kLimit,            // larger than a stated limit
};

}  // namespace avg
