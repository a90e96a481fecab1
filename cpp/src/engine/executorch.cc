// SPDX-License-Identifier: Apache-2.0
#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstdarg>
#include <utility>

#include "engine/engine.h"

// A library prints nothing. The runtime speaks before any of our code runs (its backends register while they are being
// loaded), and cpuinfo below it writes to descriptor 2 where /proc or /sys are absent or odd, as in some sandboxes.
// These definitions come before the runtime's own in the order in which the dynamic loader looks symbols up for
// libraries that _core brings along; weak, so that a static build in which both exist still links.
#define AVG_REPLACES_THEIRS extern "C" __attribute__((weak, used, visibility("default")))
AVG_REPLACES_THEIRS void cpuinfo_vlog_error(const char*, va_list) {}
AVG_REPLACES_THEIRS void cpuinfo_vlog_fatal(const char*, va_list) {}
AVG_REPLACES_THEIRS void et_pal_emit_log_message(et_timestamp_t, et_pal_log_level_t, const char*, const char*, size_t,
                                                 const char*, size_t) {}

namespace avg {
namespace {

namespace et = executorch::runtime;
using executorch::extension::Module;
using executorch::extension::threadpool::NoThreadPoolGuard;

// What went wrong is in the returned error. Not left to the definition above alone: not every platform's loader lets a
// library replace another one's symbols.
void SilentLog(et_timestamp_t, et_pal_log_level_t, const char*, const char*, size_t, const char*, size_t) {}

void StartRuntime() {
  static const bool started = [] {
    et::register_pal(et::PalImpl::create(SilentLog, __FILE__));
    et::runtime_init();
    return true;
  }();
  (void)started;
}

std::string Describe(const char* step, et::Error error) {
  return std::string(step) + " failed with ExecuTorch error " + std::to_string(static_cast<int>(error));
}

class ExecutorchNetwork final : public Network {
 public:
  // `owner` keeps the bytes alive that the program points into.
  ExecutorchNetwork(std::shared_ptr<const EngineProgram> owner, std::shared_ptr<et::Program> program)
      : owner_(std::move(owner)), module_(std::move(program)) {}

  Status Load(std::string* error) {
    NoThreadPoolGuard single_thread;
    const et::Error loaded = module_.load_forward();
    if (loaded != et::Error::Ok) {
      *error = Describe("loading the method", loaded);
      return Status::kEngine;
    }
    const auto meta = module_.method_meta("forward");
    if (!meta.ok()) return Status::kEngine;
    for (size_t i = 0; i < meta->num_inputs(); ++i) {
      const auto info = meta->input_tensor_meta(i);
      if (!info.ok() || !AddInput(*info)) {
        *error = "input " + std::to_string(i) + " is not a float32 tensor";
        return Status::kModel;
      }
    }
    for (size_t i = 0; i < meta->num_outputs(); ++i) {
      const auto info = meta->output_tensor_meta(i);
      if (!info.ok() || info->scalar_type() != et::etensor::ScalarType::Float) {
        *error = "output " + std::to_string(i) + " is not a float32 tensor";
        return Status::kModel;
      }
      outputs_.emplace_back(info->nbytes() / sizeof(float), 0.0f);
    }
    return Status::kOk;
  }

  size_t inputs() const override { return inputs_.size(); }
  size_t outputs() const override { return outputs_.size(); }
  size_t input_size(size_t i) const override { return inputs_[i].size(); }
  size_t output_size(size_t i) const override { return outputs_[i].size(); }
  float* input(size_t i) override { return inputs_[i].data(); }
  const float* output(size_t i) const override { return outputs_[i].data(); }

  Status Run() override {
    NoThreadPoolGuard single_thread;
    const auto results = module_.forward(values_);
    if (!results.ok() || results->size() != outputs_.size()) return Status::kEngine;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const auto& tensor = results->at(i).toTensor();
      if (static_cast<size_t>(tensor.numel()) != outputs_[i].size()) return Status::kEngine;
      const float* data = tensor.const_data_ptr<float>();
      std::copy(data, data + outputs_[i].size(), outputs_[i].begin());
    }
    return Status::kOk;
  }

 private:
  bool AddInput(const et::TensorInfo& info) {
    if (info.scalar_type() != et::etensor::ScalarType::Float) return false;
    inputs_.emplace_back(info.nbytes() / sizeof(float), 0.0f);
    const std::vector<executorch::aten::SizesType> sizes(info.sizes().begin(), info.sizes().end());
    tensors_.push_back(executorch::extension::from_blob(inputs_.back().data(), sizes));
    values_.emplace_back(*tensors_.back());
    return true;
  }

  std::shared_ptr<const EngineProgram> owner_;
  Module module_;
  std::vector<std::vector<float>> inputs_, outputs_;
  std::vector<executorch::extension::TensorPtr> tensors_;
  std::vector<et::EValue> values_;
};

class ExecutorchProgram final : public EngineProgram, public std::enable_shared_from_this<ExecutorchProgram> {
 public:
  explicit ExecutorchProgram(std::vector<uint8_t> bytes)
      : bytes_(std::move(bytes)), loader_(bytes_.data(), bytes_.size()) {}

  Status Load(std::string* error) {
    StartRuntime();
    // The deep check is compiled out of some builds of the runtime, which then answer NotSupported.
    et::Error result = TryLoad(et::Program::Verification::InternalConsistency);
    if (result == et::Error::NotSupported) result = TryLoad(et::Program::Verification::Minimal);
    if (result == et::Error::Ok) return Status::kOk;
    *error = Describe("reading the program", result);
    return Status::kModel;
  }

  Status CreateNetwork(std::unique_ptr<Network>* network, std::string* error) const override {
    auto created = std::make_unique<ExecutorchNetwork>(shared_from_this(), program_);
    const Status status = created->Load(error);
    if (status == Status::kOk) *network = std::move(created);
    return status;
  }

  Status ConstantString(const char* name, std::string* value) const override {
    Module module(program_);
    const auto result = module.get(name);
    if (!result.ok() || !result->isString()) return Status::kModel;
    const auto text = result->toString();
    value->assign(text.data(), text.size());
    return Status::kOk;
  }

 private:
  et::Error TryLoad(et::Program::Verification verification) {
    auto program = et::Program::load(&loader_, verification);
    if (program.ok()) program_ = std::make_shared<et::Program>(std::move(*program));
    return program.error();
  }

  std::vector<uint8_t> bytes_;
  executorch::extension::BufferDataLoader loader_;
  std::shared_ptr<et::Program> program_;
};

}  // namespace

Status OpenProgram(std::vector<uint8_t> bytes, std::shared_ptr<const EngineProgram>* program, std::string* error) {
  auto opened = std::make_shared<ExecutorchProgram>(std::move(bytes));
  const Status status = opened->Load(error);
  if (status == Status::kOk) *program = std::move(opened);
  return status;
}

}  // namespace avg
