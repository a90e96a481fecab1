// SPDX-License-Identifier: Apache-2.0
// The built-in engine of a build without one (-DAVG_EXECUTORCH=OFF).
#include "engine/engine.h"

namespace avg {

EngineName BuiltInEngine() { return {"", "", ""}; }

Status OpenProgram(ProgramBytes, std::shared_ptr<const EngineProgram>*, std::string* error) {
  *error = "this build has no engine of its own: give avg_model_options an avg_engine";
  return Status::kUnsupported;
}

}  // namespace avg
