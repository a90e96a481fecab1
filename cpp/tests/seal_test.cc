// SPDX-License-Identifier: Apache-2.0
#include "model/seal.h"

#include <vector>

#include "check.h"

namespace {

using Bytes = std::vector<uint8_t>;

void Append(uint64_t value, int count, Bytes* bytes) {
  for (int i = 0; i < count; ++i) bytes->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// `program` with a seal that says this of it, and the right CRC.
Bytes Sealed(Bytes program, uint32_t version, uint64_t length) {
  for (const char c : std::string("AVGSEAL\n")) program.push_back(static_cast<uint8_t>(c));
  Append(version, 4, &program);
  Append(length, 8, &program);
  Append(avg::Crc32(program.data(), program.size()), 4, &program);
  return program;
}

Bytes Program() {
  Bytes program;
  for (int i = 0; i < 101; ++i) program.push_back(static_cast<uint8_t>(i * i));
  return program;
}

// In a block of exactly that size, so that a sanitizer sees every byte beyond it. Empty when it is whole.
std::string Fault(const Bytes& file) {
  const Bytes exact(file);
  size_t size = 12345;
  std::string said;
  const avg::Status status = avg::Unseal(exact.data(), exact.size(), &size, &said);
  CHECK((status == avg::Status::kOk) == said.empty());
  CHECK(status == avg::Status::kOk ? size == exact.size() - avg::kSealBytes : size == 12345);
  return said;
}

bool Says(const Bytes& file, const char* part) { return Fault(file).find(part) != std::string::npos; }

}  // namespace

TEST(TheCrcIsThatOfTheStandard) {
  CHECK(avg::Crc32("", 0) == 0);
  CHECK(avg::Crc32("123456789", 9) == 0xcbf43926);
  const std::string text = "The quick brown fox jumps over the lazy dog";
  CHECK(avg::Crc32(text.data(), text.size()) == 0x414fa339);
}

TEST(ASealedProgramIsWhole) {
  CHECK(Fault(Sealed(Program(), 1, 101)).empty());
  CHECK(Fault(Sealed({}, 1, 0)).empty());
}

TEST(EveryFlippedByteAndEveryCutIsFound) {
  const Bytes whole = Sealed(Program(), 1, 101);
  bool found = true;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      Bytes spoilt = whole;
      spoilt[at] = static_cast<uint8_t>(spoilt[at] ^ change);
      found = found && !Fault(spoilt).empty();
    }
    found = found && Says(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(at)), "cut off");
  }
  CHECK(found);
}

TEST(ASealThatFitsSomethingElseIsRefusedByName) {
  CHECK(Says(Program(), "does not end with a seal"));
  CHECK(Says(Sealed(Program(), 2, 101), "seal of version 2, this build reads version 1. Update avguard"));
  CHECK(Says(Sealed(Program(), 1, 100), "has 101 bytes, its seal says 100"));
  // The lower 32 bits would do.
  CHECK(Says(Sealed(Program(), 1, 101 + (uint64_t{1} << 32)), "its seal says"));
  Bytes spoilt = Sealed(Program(), 1, 101);
  spoilt[3] ^= 1;
  CHECK(Says(spoilt, "was altered: its CRC-32 is "));
}
