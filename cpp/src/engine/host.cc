// SPDX-License-Identifier: Apache-2.0
// Networks that run in an engine of the host's, through the table in avguard.h.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/engine.h"

namespace avg {
namespace {

// Tensors of one side of a network: the session's floats, and the engine's own int8 where it asked for that.
class Side {
 public:
  Side(Arena* arena, const TensorShape* shapes, size_t count) : tensors(arena), floats_(arena), bytes_(arena) {
    tensors.reserve(count);
    floats_.reserve(count);
    bytes_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      avg_tensor tensor{};
      tensor.name = shapes[i].name;
      tensor.rank = shapes[i].rank;
      std::copy(shapes[i].shape.begin(), shapes[i].shape.end(), tensor.shape);
      tensor.scale = 1;
      tensors.push_back(tensor);
      floats_.emplace_back(shapes[i].size(), 0.0f, arena);
    }
  }

  // Gives every tensor its memory, of the type that the engine chose. False for a type or scale that makes no sense.
  bool Place(Arena* arena) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      avg_tensor& tensor = tensors[i];
      const bool quantised = tensor.type == AVG_INT8;
      if (!quantised && tensor.type != AVG_FLOAT32) return false;
      const bool in_range = tensor.zero_point >= INT8_MIN && tensor.zero_point <= INT8_MAX;
      if (quantised && !(std::isfinite(tensor.scale) && tensor.scale > 0 && in_range)) return false;
      bytes_.emplace_back(quantised ? floats_[i].size() : 0, int8_t{0}, arena);
      tensor.data = quantised ? static_cast<void*>(bytes_[i].data()) : floats_[i].data();
    }
    return true;
  }

  void Quantise() {
    for (size_t i = 0; i < tensors.size(); ++i) {
      const float zero = static_cast<float>(tensors[i].zero_point);
      for (size_t k = 0; k < bytes_[i].size(); ++k) {
        const float level = std::nearbyint(floats_[i][k] / tensors[i].scale) + zero;
        bytes_[i][k] = static_cast<int8_t>(std::clamp(level, -128.0f, 127.0f));
      }
    }
  }

  void Dequantise() {
    for (size_t i = 0; i < tensors.size(); ++i) {
      for (size_t k = 0; k < bytes_[i].size(); ++k) {
        floats_[i][k] = tensors[i].scale * static_cast<float>(bytes_[i][k] - tensors[i].zero_point);
      }
    }
  }

  size_t count() const { return tensors.size(); }
  size_t size(size_t i) const { return floats_[i].size(); }
  float* data(size_t i) { return floats_[i].data(); }
  const float* data(size_t i) const { return floats_[i].data(); }

  Vector<avg_tensor> tensors;

 private:
  Vector<Vector<float>> floats_;
  Vector<Vector<int8_t>> bytes_;
};

class HostNetwork final : public Network {
 public:
  HostNetwork(Arena* arena, const avg_engine& engine, const Interface& interface)
      : engine_(engine),
        inputs_(arena, interface.inputs, interface.input_count),
        outputs_(arena, interface.outputs, interface.output_count) {}
  ~HostNetwork() override {
    if (network_ != nullptr && engine_.close != nullptr) engine_.close(network_);
  }

  avg_status Load(Arena* arena, const char* role, const avg_file& file) {
    const avg_status status = engine_.load(engine_.context, role, &file, inputs_.tensors.data(), inputs_.count(),
                                           outputs_.tensors.data(), outputs_.count(), &network_);
    if (status != AVG_OK) {
      network_ = nullptr;
      return status;
    }
    return inputs_.Place(arena) && outputs_.Place(arena) ? AVG_OK : AVG_ENGINE_ERROR;
  }

  size_t inputs() const override { return inputs_.count(); }
  size_t outputs() const override { return outputs_.count(); }
  size_t input_size(size_t i) const override { return inputs_.size(i); }
  size_t output_size(size_t i) const override { return outputs_.size(i); }
  float* input(size_t i) override { return inputs_.data(i); }
  const float* output(size_t i) const override { return outputs_.data(i); }

  Status Run() override {
    inputs_.Quantise();
    if (engine_.run(network_, inputs_.tensors.data(), outputs_.tensors.data()) != AVG_OK) return Status::kEngine;
    outputs_.Dequantise();
    return Status::kOk;
  }

 private:
  const avg_engine& engine_;
  Side inputs_, outputs_;
  void* network_ = nullptr;
};

class HostEngineProgram final : public EngineProgram {
 public:
  HostEngineProgram(const avg_engine& engine, std::string role, const avg_file& file, const Interface& interface,
                    std::shared_ptr<const EngineProgram> fallback)
      : engine_(engine), role_(std::move(role)), file_(file), interface_(interface), fallback_(std::move(fallback)) {}

  Status CreateNetwork(Arena* arena, Owned<Network>* network, std::string* error) const override {
    auto created = MakeOwned<HostNetwork>(arena, arena, engine_, interface_);
    const avg_status status = created->Load(arena, role_.c_str(), file_);
    if (status == AVG_OK) {
      *network = std::move(created);
      return Status::kOk;
    }
    if (status == AVG_UNSUPPORTED && fallback_ != nullptr) return fallback_->CreateNetwork(arena, network, error);
    *error = std::string("the engine ") + engine_.name + " could not load " + role_ + " (status " +
             std::to_string(static_cast<int>(status)) + ")";
    return Status::kEngine;
  }

  // What is inside a program of another engine cannot be read here; the manifest vouches for it.
  Status ConstantString(const char*, std::string*) const override { return Status::kModel; }

 private:
  const avg_engine engine_;
  const std::string role_;
  const avg_file file_;
  const Interface interface_;
  const std::shared_ptr<const EngineProgram> fallback_;
};

}  // namespace

std::shared_ptr<const EngineProgram> HostProgram(const avg_engine& engine, std::string role, const avg_file& file,
                                                 const Interface& interface,
                                                 std::shared_ptr<const EngineProgram> fallback) {
  return std::make_shared<HostEngineProgram>(engine, std::move(role), file, interface, std::move(fallback));
}

}  // namespace avg
