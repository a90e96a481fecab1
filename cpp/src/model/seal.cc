// SPDX-License-Identifier: Apache-2.0
#include "model/seal.h"

#include <array>
#include <cstring>
#include <utility>

namespace avg {
namespace {

constexpr char kMagic[] = "AVGSEAL\n";
constexpr size_t kMagicBytes = sizeof kMagic - 1;
constexpr uint32_t kVersion = 1;
constexpr uint32_t kPolynomial = 0xedb88320;

using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table MakeTable() {
  Table table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = table[k - 1][byte];
      table[k][byte] = before >> 8 ^ table[0][before & 255];
    }
  }
  return table;
}

constexpr Table kTable = MakeTable();

template <typename Number>
Number Read(const uint8_t* at) {
  Number value = 0;
  for (size_t i = 0; i < sizeof value; ++i) value |= Number{at[i]} << (8 * i);
  return value;
}

std::string Hex(uint32_t value) {
  std::string hex;
  for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[value >> shift & 15];
  return hex;
}

Status Refuse(std::string what, std::string* said) {
  *said = std::move(what);
  return Status::kModel;
}

}  // namespace

// Eight bytes a step (slicing by 8): opening a bundle must not wait for it.
uint32_t Crc32(const void* data, size_t size) {
  const auto* at = static_cast<const uint8_t*>(data);
  uint32_t crc = ~uint32_t{0};
  for (; size >= 8; size -= 8, at += 8) {
    const uint32_t low = Read<uint32_t>(at) ^ crc, high = Read<uint32_t>(at + 4);
    crc = kTable[7][low & 255] ^ kTable[6][low >> 8 & 255] ^ kTable[5][low >> 16 & 255] ^ kTable[4][low >> 24] ^
          kTable[3][high & 255] ^ kTable[2][high >> 8 & 255] ^ kTable[1][high >> 16 & 255] ^ kTable[0][high >> 24];
  }
  for (; size > 0; --size, ++at) crc = crc >> 8 ^ kTable[0][(crc ^ *at) & 255];
  return ~crc;
}

Status Unseal(const void* file, size_t size, size_t* program_size, std::string* said) {
  const auto* bytes = static_cast<const uint8_t*>(file);
  if (size < kSealBytes || std::memcmp(bytes + size - kSealBytes, kMagic, kMagicBytes) != 0) {
    return Refuse(
        "does not end with a seal: it was cut off, or exported without one. Reinstall the bundle, or export it again.",
        said);
  }
  const size_t program = size - kSealBytes;
  const uint8_t* seal = bytes + program + kMagicBytes;
  // First, so that no other word of a damaged seal is believed.
  const uint32_t found = Crc32(bytes, size - 4), wanted = Read<uint32_t>(seal + 12);
  if (found != wanted) {
    return Refuse(
        "was altered: its CRC-32 is " + Hex(found) + ", its seal says " + Hex(wanted) + ". Reinstall the bundle.",
        said);
  }
  const auto version = Read<uint32_t>(seal);
  if (version != kVersion) {
    return Refuse("has a seal of version " + std::to_string(version) + ", this build reads version " +
                      std::to_string(kVersion) + ". Update avguard.",
                  said);
  }
  const auto length = Read<uint64_t>(seal + 4);
  if (length != program) {
    return Refuse("has " + std::to_string(program) + " bytes, its seal says " + std::to_string(length) +
                      ". Reinstall the bundle.",
                  said);
  }
  *program_size = program;
  return Status::kOk;
}

}  // namespace avg
