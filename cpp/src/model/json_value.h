// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace avg {

// A parsed JSON value (RFC 8259), for the small files of a bundle.
struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kText, kArray, kObject } kind = Kind::kNull;
  bool boolean = false;
  double number = 0;
  std::string text;  // UTF-8
  std::vector<JsonValue> items;
  std::vector<std::pair<std::string, JsonValue>> members;  // of names that come twice, the last

  bool is(Kind wanted) const { return kind == wanted; }
  // Null when this is no object or has no such member.
  const JsonValue* Find(std::string_view name) const;
};

inline constexpr int kMaxJsonDepth = 8;

// False for text that is not JSON, or nested deeper than kMaxJsonDepth.
bool ParseJson(std::string_view text, JsonValue* value);

}  // namespace avg
