// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "avguard.h"
#include "layout.h"
#include "memory.h"
#include "status.h"

namespace avg {

// One input or output of a network as the session knows it: dense row-major float32.
struct TensorShape {
  const char* name;
  int32_t rank;
  std::array<int32_t, AVG_MAX_RANK> shape;

  size_t size() const {
    size_t count = 1;
    for (int32_t i = 0; i < rank; ++i) count *= static_cast<size_t>(shape[static_cast<size_t>(i)]);
    return count;
  }
};

// What a program takes and answers, in the order of its arguments.
struct Interface {
  const TensorShape* inputs;
  size_t input_count;
  const TensorShape* outputs;
  size_t output_count;
};

// One runnable instance of a program with its own memory: one thread at a time.
class Network {
 public:
  virtual ~Network() = default;
  virtual size_t inputs() const = 0;
  virtual size_t outputs() const = 0;
  // Number of float32 values of an input or output.
  virtual size_t input_size(size_t i) const = 0;
  virtual size_t output_size(size_t i) const = 0;
  // How the pictures of input i lie; its interface has them in planes.
  virtual PictureLayout layout(size_t) const { return {}; }
  // Where the caller writes input i before Run, and reads output i after it. Valid as long as the network.
  virtual float* input(size_t i) = 0;
  virtual const float* output(size_t i) const = 0;
  virtual Status Run() = 0;
};

// Writes `values`, dense in the shape of the interface, to input i in its layout.
void SetInput(Network* network, size_t i, const float* values);

// Whether a network's numbers of values are those of `interface`, and at most its first input is interleaved.
bool Fits(const Network& network, const Interface& interface);

// Verified bytes of a model file, immutable and shared by threads.
class EngineProgram {
 public:
  virtual ~EngineProgram() = default;
  // The network lies in `arena` as far as the engine allows; null: on the heap.
  virtual Status CreateNetwork(Arena* arena, Owned<Network>* network, std::string* error) const = 0;
  // Value of a method without inputs that returns a string, such as "spec_hash".
  virtual Status ConstantString(const char* name, std::string* value) const = 0;
};

// Bytes that somebody else holds; `keep`, if set, holds them.
struct ProgramBytes {
  const void* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> keep;
};

// Name in verdicts, name in manifests, and version of the built-in engine; empty in a build without one.
struct EngineName {
  const char *card, *runtime, *version;
};
EngineName BuiltInEngine();

// Opens a program for the built-in engine (ExecuTorch with XNNPACK).
Status OpenProgram(ProgramBytes bytes, std::shared_ptr<const EngineProgram>* program, std::string* error);

// A program that a host's engine runs. `fallback` serves where the engine answers AVG_UNSUPPORTED; may be null.
std::shared_ptr<const EngineProgram> HostProgram(const avg_engine& engine, std::string role, const avg_file& file,
                                                 const Interface& interface,
                                                 std::shared_ptr<const EngineProgram> fallback);

}  // namespace avg
