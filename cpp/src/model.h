// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>

#include "decide/calibration.h"
#include "decide/verdict.h"
#include "engine/engine.h"
#include "status.h"

namespace avg {

// Opened once, immutable, shared by any number of sessions and threads.
struct Model {
  std::shared_ptr<const EngineProgram> detector, mesh, joint;
  Calibration calibration;
  ModelCard card;
  std::string warning;  // for every verdict; empty when there is none
};

struct ModelOptions {
  avg_precision precision = AVG_PRECISION_AUTO;
  const avg_engine* engine = nullptr;  // null: the built-in one
};

// Verifies the files of a bundle, opens what is needed of it, and compares the joint program with its golden vectors.
Status OpenModel(const avg_file* files, size_t file_count, const ModelOptions& options,
                 std::shared_ptr<const Model>* model, std::string* message);

// Of keys of a manifest that a later release may know; empty when there are none.
std::string UnreadWarning(const std::string& names);

// Opens a program for the built-in engine. Refuses one whose seal is missing or broken before anything else reads it,
// and one that was made for another spec or does not say so in full. `named`: what its input_names and output_names
// must be; null for a program without them.
Status OpenVerified(ProgramBytes bytes, const char* name, const Interface* named,
                    std::shared_ptr<const EngineProgram>* program, std::string* message);

// Whether this CPU multiplies int8 faster than float32 (VNNI on x86; ARM since v8.2 has dot products).
bool CpuHasInt8Dot();

}  // namespace avg
