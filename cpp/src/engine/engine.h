// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "status.h"

namespace avg {

// One runnable instance of a program with its own memory: one thread at a time.
class Network {
 public:
  virtual ~Network() = default;
  virtual size_t inputs() const = 0;
  virtual size_t outputs() const = 0;
  // Number of float32 values of an input or output.
  virtual size_t input_size(size_t i) const = 0;
  virtual size_t output_size(size_t i) const = 0;
  // Where the caller writes input i before Run, and reads output i after it. Valid as long as the network.
  virtual float* input(size_t i) = 0;
  virtual const float* output(size_t i) const = 0;
  virtual Status Run() = 0;
};

// Verified bytes of a model file, immutable and shared by threads.
class EngineProgram {
 public:
  virtual ~EngineProgram() = default;
  virtual Status CreateNetwork(std::unique_ptr<Network>* network, std::string* error) const = 0;
  // Value of a method without inputs that returns a string, such as "spec_hash".
  virtual Status ConstantString(const char* name, std::string* value) const = 0;
};

// Opens a program for the built-in engine (ExecuTorch with XNNPACK). Takes over `bytes`.
Status OpenProgram(std::vector<uint8_t> bytes, std::shared_ptr<const EngineProgram>* program, std::string* error);

}  // namespace avg
