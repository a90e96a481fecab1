// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "status.h"

namespace avg {

// A program of the built-in engine ends with a seal, as a PNG or gzip file carries a CRC of its own: what was cut off
// or damaged is refused without any manifest, before the runtime, which trusts its graphs, reads a byte of it.
//
//   program | "AVGSEAL\n" | uint32 version = 1 | uint64 bytes of the program | uint32 CRC-32 of all before it
//
// Little-endian; every version ends with that CRC-32. The runtime's own tools read a sealed program as it is: they
// ignore what follows it. CRC-32 finds every change within 32 neighbouring bits, and all but one in 4 billion of the
// others. Who changes a program on purpose can seal it again: whose it is, the manifest's sha256 and its signature say.
// Written by export/seal.py.
inline constexpr size_t kSealBytes = 24;

// The program's size without its seal. kModel when there is no seal or it does not fit; `said` then goes on after a
// name.
Status Unseal(const void* file, size_t size, size_t* program_size, std::string* said);

// CRC-32 of ISO 3309, that of PNG, gzip and zlib.
uint32_t Crc32(const void* data, size_t size);

}  // namespace avg
