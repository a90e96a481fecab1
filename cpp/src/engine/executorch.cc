// SPDX-License-Identifier: Apache-2.0
#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

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

// The runtime's own structures, taken from where the network lies. Pieces of the heap are kept until the network goes.
class MethodMemory final : public et::MemoryAllocator {
 public:
  explicit MethodMemory(Arena* arena) : et::MemoryAllocator(0, nullptr), arena_(arena == nullptr ? &own_ : arena) {}

  void* allocate(size_t size, size_t alignment = kDefaultAlignment) override {
    void* memory = arena_->Take(size, alignment);
    if (memory == nullptr) exhausted_ = true;
    return memory;
  }
  Arena* arena() { return arena_; }
  bool on_heap() const { return arena_ == &own_; }
  bool exhausted() const { return exhausted_; }

 private:
  Arena own_;  // counts, and takes from the heap
  Arena* arena_;
  bool exhausted_ = false;
};

class ExecutorchNetwork final : public Network {
 public:
  // `owner` keeps the bytes alive that the program points into.
  ExecutorchNetwork(Arena* arena, std::shared_ptr<const EngineProgram> owner)
      : owner_(std::move(owner)),
        memory_(arena),
        buffers_(memory_.arena()),
        tensors_(memory_.arena()),
        own_(memory_.arena()),
        inputs_(memory_.arena()) {}

  // The runtime has no code of its own for memory that ran out: what it answers then is not about the program.
  Status Load(const et::Program& program, std::string* error) {
    const Status status = TryLoad(program, error);
    return status != Status::kOk && memory_.exhausted() ? Status::kNoMemory : status;
  }

  size_t inputs() const override { return inputs_.size(); }
  size_t outputs() const override { return method_->outputs_size(); }
  size_t input_size(size_t i) const override { return inputs_[i].size; }
  size_t output_size(size_t i) const override { return static_cast<size_t>(Output(i).numel()); }
  PictureLayout layout(size_t i) const override { return inputs_[i].layout; }
  float* input(size_t i) override { return inputs_[i].data; }
  const float* output(size_t i) const override { return Output(i).const_data_ptr<float>(); }

  Status Run() override {
    NoThreadPoolGuard single_thread;
    if (!in_place_ && !SetInputs()) return Status::kEngine;
    return method_->execute() == et::Error::Ok ? Status::kOk : Status::kEngine;
  }

 private:
  Status TryLoad(const et::Program& program, std::string* error) {
    NoThreadPoolGuard single_thread;
    const auto meta = program.method_meta("forward");
    if (!meta.ok()) return Refuse("the program has no method 'forward'", error);
    if (!PlanBuffers(*meta)) return Refuse("the method's memory plan makes no sense", error);
    planned_.emplace(et::Span<et::Span<uint8_t>>(buffers_.data(), buffers_.size()));
    manager_.emplace(&memory_, &*planned_);
    auto method = program.load_method("forward", &*manager_);
    if (!method.ok()) {
      *error = Describe("loading the method", method.error());
      return Status::kEngine;
    }
    method_.emplace(std::move(*method));
    const size_t count = meta->num_inputs();
    inputs_.reserve(count);
    tensors_.reserve(count);
    own_.reserve(count);
    in_place_ = KeepsInputs(*meta);
    for (size_t i = 0; i < count; ++i) {
      const auto info = meta->input_tensor_meta(i);
      if (!info.ok() || !AddInput(*info, i)) {
        return Refuse("an input is not a float32 tensor, dense or with its channels last", error);
      }
    }
    if (in_place_ && !SetInputs()) return Refuse("an input cannot be set", error);
    for (size_t i = 0; i < meta->num_outputs(); ++i) {
      const auto info = meta->output_tensor_meta(i);
      if (!info.ok() || info->scalar_type() != et::etensor::ScalarType::Float) {
        return Refuse("an output is not a float32 tensor", error);
      }
    }
    // The delegate takes its workspace in the first run. Where the heap is used anyway, that is soon enough.
    if (memory_.on_heap() || Run() == Status::kOk) return Status::kOk;
    *error = "the first run failed";
    return Status::kEngine;
  }

  // The runtime's vector code may read a little beyond the end of a tensor.
  static constexpr size_t kReadBeyond = 128;

  static Status Refuse(const char* what, std::string* error) {
    *error = what;
    return Status::kModel;
  }

  const et::etensor::Tensor& Output(size_t i) const { return method_->get_output(i).toTensor(); }

  bool PlanBuffers(const et::MethodMeta& meta) {
    buffers_.reserve(meta.num_memory_planned_buffers());
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      const auto size = meta.memory_planned_buffer_size(i);
      if (!size.ok() || *size < 0) return false;
      const size_t bytes = static_cast<size_t>(*size);
      void* memory = memory_.allocate(bytes + kReadBeyond, Arena::kAlignment);
      if (memory == nullptr) return false;
      std::memset(memory, 0, bytes + kReadBeyond);
      buffers_.push_back({static_cast<uint8_t*>(memory), bytes});
    }
    return true;
  }

// The runtime has no other way yet to ask either.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // Whether the program has room for its inputs in which nothing else ever lies, so that they can be written there. A
  // single instruction, the call of a delegate, has no intermediate values.
  static bool KeepsInputs(const et::MethodMeta& meta) {
    bool planned = meta.num_instructions() == 1;
    for (size_t i = 0; i < meta.num_inputs() && planned; ++i) {
      const auto info = meta.input_tensor_meta(i);
      planned = info.ok() && info->is_memory_planned();
    }
    return planned;
  }

  float* PlannedInput(size_t i) { return method_->mutable_input(i).toTensor().mutable_data_ptr<float>(); }
#pragma GCC diagnostic pop

  float* OwnInput(size_t count) {
    Vector<float> values(memory_.arena());
    values.reserve(count + kReadBeyond / sizeof(float));
    values.resize(count, 0.0f);
    own_.push_back(std::move(values));
    return own_.back().data();
  }

  // Copies inputs that do not lie in the program's own memory there.
  bool SetInputs() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (method_->set_input(et::EValue(et::etensor::Tensor(&tensors_[i])), i) != et::Error::Ok) return false;
    }
    return true;
  }

  static bool ReadLayout(const et::TensorInfo& info, PictureLayout* layout) {
    constexpr uint8_t kChannelsLast[] = {0, 2, 3, 1};
    const auto order = info.dim_order();
    if (std::is_sorted(order.begin(), order.end())) return true;
    if (order.size() != 4 || !std::equal(order.begin(), order.end(), kChannelsLast)) return false;
    const auto size = [&](size_t axis) { return static_cast<size_t>(info.sizes()[axis]); };
    *layout = {true, size(1), size(2) * size(3)};
    return info.nbytes() > 0;
  }

  bool AddInput(const et::TensorInfo& info, size_t i) {
    PictureLayout layout;
    if (info.scalar_type() != et::etensor::ScalarType::Float || !ReadLayout(info, &layout)) return false;
    const size_t count = info.nbytes() / sizeof(float);
    inputs_.push_back({in_place_ ? PlannedInput(i) : OwnInput(count), count, layout});
    using Sizes = executorch::aten::SizesType;
    using Order = executorch::aten::DimOrderType;
    const size_t rank = info.sizes().size();
    auto* sizes = memory_.allocateList<Sizes>(rank);
    auto* order = memory_.allocateList<Order>(rank);
    if (sizes == nullptr || order == nullptr) return false;
    std::copy(info.sizes().begin(), info.sizes().end(), sizes);
    std::copy(info.dim_order().begin(), info.dim_order().end(), order);
    tensors_.emplace_back(info.scalar_type(), static_cast<ssize_t>(rank), sizes, inputs_.back().data, order);
    return true;
  }

  std::shared_ptr<const EngineProgram> owner_;
  MethodMemory memory_;
  Vector<et::Span<uint8_t>> buffers_;
  std::optional<et::HierarchicalAllocator> planned_;
  std::optional<et::MemoryManager> manager_;
  std::optional<et::Method> method_;
  struct Values {
    float* data;
    size_t size;
    PictureLayout layout;
  };

  bool in_place_ = false;  // inputs lie where the program has room for them
  Vector<et::etensor::TensorImpl> tensors_;
  Vector<Vector<float>> own_;
  Vector<Values> inputs_;
};

class ExecutorchProgram final : public EngineProgram, public std::enable_shared_from_this<ExecutorchProgram> {
 public:
  explicit ExecutorchProgram(ProgramBytes bytes) : bytes_(std::move(bytes)), loader_(bytes_.data, bytes_.size) {}

  Status Load(std::string* error) {
    StartRuntime();
    // The deep check is compiled out of some builds of the runtime, which then answer NotSupported.
    et::Error result = TryLoad(et::Program::Verification::InternalConsistency);
    if (result == et::Error::NotSupported) result = TryLoad(et::Program::Verification::Minimal);
    if (result == et::Error::Ok) return Status::kOk;
    *error = Describe("reading the program", result);
    return Status::kModel;
  }

  Status CreateNetwork(Arena* arena, Owned<Network>* network, std::string* error) const override {
    auto created = MakeOwned<ExecutorchNetwork>(arena, arena, shared_from_this());
    const Status status = created->Load(*program_, error);
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

  ProgramBytes bytes_;
  executorch::extension::BufferDataLoader loader_;
  std::shared_ptr<et::Program> program_;
};

// The runtime wants aligned programs.
ProgramBytes Aligned(ProgramBytes bytes) {
  constexpr size_t kProgramAlignment = alignof(std::max_align_t);
  if (reinterpret_cast<uintptr_t>(bytes.data) % kProgramAlignment == 0) return bytes;
  const auto* from = static_cast<const uint8_t*>(bytes.data);
  auto copy = std::make_shared<std::vector<uint8_t>>(from, from + bytes.size);
  return {copy->data(), copy->size(), copy};
}

}  // namespace

EngineName BuiltInEngine() { return {"executorch-xnnpack", "executorch", "1.5.1"}; }

Status OpenProgram(ProgramBytes bytes, std::shared_ptr<const EngineProgram>* program, std::string* error) {
  auto opened = std::make_shared<ExecutorchProgram>(Aligned(std::move(bytes)));
  const Status status = opened->Load(error);
  if (status == Status::kOk) *program = std::move(opened);
  return status;
}

}  // namespace avg
