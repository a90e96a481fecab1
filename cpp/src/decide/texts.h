// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstring>
#include <string_view>

#include "memory.h"

namespace avg {

// NUL-terminated texts one after the other.
class Texts {
 public:
  // In an arena there is room for `bytes`; on the heap it grows.
  Texts(Arena* arena, size_t bytes) : bytes_(arena) { bytes_.reserve(bytes); }

  // Ends at a NUL inside. False, and nothing added, when there is no room.
  bool Add(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    if (!HasRoom(bytes_, text.size() + 1)) return false;
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back('\0');
    ++count_;
    return true;
  }
  size_t count() const { return count_; }
  size_t size() const { return bytes_.size(); }
  const char* data() const { return bytes_.empty() ? "" : bytes_.data(); }

  template <typename Visit>
  void ForEach(Visit visit) const {
    const char* text = data();
    for (size_t i = 0; i < count_; ++i, text += std::strlen(text) + 1) visit(text);
  }

 private:
  Vector<char> bytes_;
  size_t count_ = 0;
};

}  // namespace avg
