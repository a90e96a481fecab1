// SPDX-License-Identifier: Apache-2.0
#include "model/json_value.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace avg {
namespace {

using Kind = JsonValue::Kind;

// A number of at most 15 digits and a power of ten of at most 22 are both exact, so one operation rounds right, and
// no locale is asked what a decimal point is.
double ToDouble(std::string_view spelled) {
  static constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  uint64_t digits = 0;
  int count = 0, exponent = 0;
  size_t at = spelled[0] == '-' ? 1 : 0;
  bool fraction = false;
  for (; at < spelled.size() && spelled[at] != 'e' && spelled[at] != 'E'; ++at) {
    if (spelled[at] == '.') {
      fraction = true;
      continue;
    }
    if (count > 0 || spelled[at] != '0') ++count;
    if (count <= 15) digits = 10 * digits + static_cast<uint64_t>(spelled[at] - '0');
    if (fraction) --exponent;
  }
  if (at < spelled.size()) exponent += std::atoi(std::string(spelled.substr(at + 1, 6)).c_str());
  if (count > 15 || exponent < -22 || exponent > 22) return std::strtod(std::string(spelled).c_str(), nullptr);
  const double whole = static_cast<double>(digits);
  const double value = exponent < 0 ? whole / kPowers[-exponent] : whole * kPowers[exponent];
  return spelled[0] == '-' ? -value : value;
}

void AppendUtf8(uint32_t code, std::string* text) {
  const auto put = [&](uint32_t byte) { *text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6), put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  } else {
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 63)), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool Whole(JsonValue* value) {
    if (!Value(value, 0)) return false;
    Space();
    return at_ == text_.size();
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void Space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool Take(char wanted) {
    Space();
    if (Peek() != wanted) return false;
    ++at_;
    return true;
  }
  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool Value(JsonValue* value, int depth) {
    if (depth > kMaxJsonDepth) return false;
    Space();
    switch (Peek()) {
      case '{':
        return Object(value, depth);
      case '[':
        return Array(value, depth);
      case '"':
        value->kind = Kind::kText;
        return Text(&value->text);
      case 't':
      case 'f':
        value->kind = Kind::kBool;
        value->boolean = Peek() == 't';
        return Word(value->boolean ? "true" : "false");
      case 'n':
        return Word("null");
      default:
        return Number(value);
    }
  }

  bool Object(JsonValue* value, int depth) {
    value->kind = Kind::kObject;
    ++at_;
    if (Take('}')) return true;
    do {
      Space();
      std::string name;
      JsonValue member;
      if (!Text(&name) || !Take(':') || !Value(&member, depth + 1)) return false;
      value->members.emplace_back(std::move(name), std::move(member));
    } while (Take(','));
    return Take('}');
  }

  bool Array(JsonValue* value, int depth) {
    value->kind = Kind::kArray;
    ++at_;
    if (Take(']')) return true;
    do {
      value->items.emplace_back();
      if (!Value(&value->items.back(), depth + 1)) return false;
    } while (Take(','));
    return Take(']');
  }

  bool Digits() {
    const size_t from = at_;
    while (Peek() >= '0' && Peek() <= '9') ++at_;
    return at_ > from;
  }

  bool Number(JsonValue* value) {
    value->kind = Kind::kNumber;
    const size_t from = at_;
    if (Peek() == '-') ++at_;
    const bool zero = Peek() == '0';
    const size_t first = at_;
    if (!Digits() || (zero && at_ - first > 1)) return false;
    if (Peek() == '.') {
      ++at_;
      if (!Digits()) return false;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!Digits()) return false;
    }
    value->number = ToDouble(text_.substr(from, at_ - from));
    return true;
  }

  bool Hex(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  bool Escaped(std::string* text) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    const char name = Peek();
    ++at_;
    if (const size_t i = kNames.find(name); i != std::string_view::npos) {
      *text += kMeant[i];
      return true;
    }
    uint32_t code = 0, low = 0;
    if (name != 'u' || !Hex(&code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      if (!Word("\\u") || !Hex(&low) || low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    AppendUtf8(code, text);
    return true;
  }

  bool Text(std::string* text) {
    if (Peek() != '"') return false;
    for (++at_; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        *text += c;
      } else if (!Escaped(text)) {
        return false;
      }
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->first == name) return &member->second;
  }
  return nullptr;
}

bool ParseJson(std::string_view text, JsonValue* value) {
  *value = {};
  return Parser(text).Whole(value);
}

}  // namespace avg
