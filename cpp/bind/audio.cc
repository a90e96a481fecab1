// SPDX-License-Identifier: Apache-2.0
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <utility>
#include <vector>

#include "audio/fft.h"
#include "audio/logmel.h"
#include "audio/resample.h"
#include "audio/speech.h"
#include "audio/window_audio.h"
#include "bind.h"

namespace py = pybind11;

namespace {

using Bools = py::array_t<bool, py::array::c_style>;
constexpr int64_t kFurthestSample = int64_t{1} << 60;

void Check(avg::Status status, const char* message) {
  if (status != avg::Status::kOk) Raise(status, message);
}

size_t CheckSamples(const Floats& samples) {
  if (samples.ndim() != 1) RaiseUsage("samples must have shape (n,); pass one channel");
  return static_cast<size_t>(samples.size());
}

void CheckRows(const Floats& frames) {
  if (frames.ndim() == 2 && frames.shape(1) == avg::LogMel::kRow) return;
  RaiseUsage("frames must have shape (n, " + std::to_string(avg::LogMel::kRow) +
             "); pass the second result of log_mel");
}

void CheckRate(int32_t rate_hz) {
  using avg::Resampler;
  if (rate_hz >= Resampler::kMinRateHz && rate_hz <= Resampler::kMaxRateHz) return;
  RaiseUsage("rate_hz is " + std::to_string(rate_hz) + " but must lie in " + std::to_string(Resampler::kMinRateHz) +
             ".." + std::to_string(Resampler::kMaxRateHz));
}

// Hands the vector's memory to NumPy instead of copying it.
Floats Owned(avg::Vector<float>&& values, std::vector<py::ssize_t> shape) {
  auto held = std::make_unique<avg::Vector<float>>(std::move(values));
  float* data = held->data();
  py::capsule owner(held.get(), [](void* p) { delete static_cast<avg::Vector<float>*>(p); });
  held.release();
  return Floats(std::move(shape), data, owner);
}

Floats Owned(avg::Vector<float>&& values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return Owned(std::move(values), {size});
}

std::unique_ptr<avg::Resampler> MakeResampler(int32_t rate_hz) {
  CheckRate(rate_hz);
  const py::gil_scoped_release release;
  return std::make_unique<avg::Resampler>(rate_hz);
}

Floats ResamplerPush(avg::Resampler& self, const Floats& samples) {
  const size_t count = CheckSamples(samples);
  avg::Vector<float> out;
  const float* data = samples.data();
  avg::Status status;
  {
    const py::gil_scoped_release release;
    status = self.Push(data, count, &out);
  }
  Check(status, "push after finish: make a new Resampler");
  return Owned(std::move(out));
}

Floats ResamplerFinish(avg::Resampler& self) {
  avg::Vector<float> out;
  Check(self.Finish(&out), "finish was called before: make a new Resampler");
  return Owned(std::move(out));
}

Floats Resample(const Floats& samples, int32_t rate_hz) {
  const size_t count = CheckSamples(samples);
  CheckRate(rate_hz);
  avg::Vector<float> out;
  const float* data = samples.data();
  {
    const py::gil_scoped_release release;
    avg::Resampler resampler(rate_hz);
    resampler.Push(data, count, &out);
    resampler.Finish(&out);
  }
  return Owned(std::move(out));
}

std::unique_ptr<avg::LogMel> MakeLogMel(int64_t first_sample) {
  if (first_sample < -kFurthestSample || first_sample > kFurthestSample) {
    RaiseUsage("first_sample must lie within 2**60 of zero");
  }
  return std::make_unique<avg::LogMel>(first_sample);
}

void LogMelPush(avg::LogMel& self, const Floats& samples) {
  const size_t count = CheckSamples(samples);
  const float* data = samples.data();
  avg::Status status;
  {
    const py::gil_scoped_release release;
    status = self.Push(data, count);
  }
  Check(status, "push after finish: make a new LogMel");
}

py::tuple LogMelFrames(const avg::LogMel& self) {
  const py::ssize_t count = self.end() - self.begin();
  const float* from = self.frame(self.begin());
  avg::Vector<float> rows;
  if (from != nullptr) rows.assign(from, from + count * avg::LogMel::kRow);
  return py::make_tuple(self.begin(), Owned(std::move(rows), {count, avg::LogMel::kRow}));
}

py::tuple LogMelOnce(const Floats& samples, int64_t first_sample) {
  const std::unique_ptr<avg::LogMel> log_mel = MakeLogMel(first_sample);
  LogMelPush(*log_mel, samples);
  log_mel->Finish();
  return LogMelFrames(*log_mel);
}

Bools Speech(const Floats& frames) {
  CheckRows(frames);
  Bools out(frames.shape(0));
  const float* row = frames.data();
  bool* to = out.mutable_data();
  const py::ssize_t count = frames.shape(0);
  const py::gil_scoped_release release;
  avg::SpeechActivity activity;
  for (py::ssize_t i = 0; i < count; ++i) to[i] = activity.Push(row + i * avg::LogMel::kRow);
  return out;
}

double BandwidthHz(const Floats& frames) {
  CheckRows(frames);
  const float* row = frames.data();
  const py::ssize_t count = frames.shape(0);
  const py::gil_scoped_release release;
  avg::SpeechActivity activity;
  for (py::ssize_t i = 0; i < count; ++i) activity.Push(row + i * avg::LogMel::kRow);
  return activity.bandwidth_hz();
}

py::tuple AudioLevel(const Floats& samples) {
  avg::LevelMeter meter;
  meter.Push(samples.data(), CheckSamples(samples));
  return py::make_tuple(meter.rms_dbfs(), meter.peak_dbfs());
}

py::tuple AudioWindow(const Floats& frames, const Bools& valid) {
  constexpr py::ssize_t kFrames = avg::kAudioWindowFrames;
  CheckRows(frames);
  if (frames.shape(0) != kFrames || valid.ndim() != 1 || valid.shape(0) != kFrames) {
    RaiseUsage("frames and valid must hold one window of " + std::to_string(kFrames) + " frames");
  }
  std::vector<const float*> rows(kFrames, nullptr);
  for (py::ssize_t i = 0; i < kFrames; ++i) {
    if (valid.data()[i]) rows[i] = frames.data() + i * avg::LogMel::kRow;
  }
  avg::Vector<float> mel(avg::LogMel::kMel * kFrames), linear(avg::LogMel::kLinear * kFrames);
  bool enough;
  {
    const py::gil_scoped_release release;
    enough = avg::NormaliseAudioWindow(rows.data(), mel.data(), linear.data());
  }
  return py::make_tuple(Owned(std::move(mel), {avg::LogMel::kMel, kFrames}),
                        Owned(std::move(linear), {avg::LogMel::kLinear, kFrames}), enough);
}

Floats Spectrum(const Floats& samples) {
  if (CheckSamples(samples) != avg::Fft::kSize) RaiseUsage("samples must have shape (512,)");
  constexpr int kLanes = avg::Fft::kLanes;
  avg::Vector<float> in(avg::Fft::kSize * kLanes, 0.0f);
  avg::Vector<float> re(avg::Fft::kBins * kLanes), im(avg::Fft::kBins * kLanes);
  for (int n = 0; n < avg::Fft::kSize; ++n) in[n * kLanes + kLanes - 1] = samples.data()[n];
  avg::Fft().Forward(in.data(), re.data(), im.data());
  avg::Vector<float> out;
  for (int k = 0; k < avg::Fft::kBins; ++k) {
    out.push_back(re[k * kLanes + kLanes - 1]);
    out.push_back(im[k * kLanes + kLanes - 1]);
  }
  return Owned(std::move(out), {avg::Fft::kBins, 2});
}

void BindResampler(py::module_& m) {
  using avg::Resampler;
  py::class_<Resampler>(m, "Resampler",
                        "Streaming conversion of float32 mono PCM to 16 kHz without delay. One "
                        "thread at a time.")
      .def(py::init(&MakeResampler), py::arg("rate_hz"))
      .def("push", &ResamplerPush, py::arg("samples").noconvert(),
           "float32 (n,) at rate_hz -> the float32 (m,) at 16 kHz that can be computed so far.")
      .def("finish", &ResamplerFinish, "The rest: ceil(n_in * 16000 / rate_hz) samples in all.")
      .def_property_readonly("replaced", &Resampler::replaced,
                             "Input samples that were NaN or infinite and read as 0.");
  m.def("resample", &Resample, py::arg("samples").noconvert(), py::arg("rate_hz"),
        "float32 (n,) at rate_hz -> float32 (ceil(n * 16000 / rate_hz),) at 16 kHz.");
}

void BindLogMel(py::module_& m) {
  using avg::LogMel;
  py::class_<LogMel>(m, "LogMel",
                     "Streaming log band energies of float32 mono 16 kHz PCM. One thread at a "
                     "time.")
      .def(py::init(&MakeLogMel), py::arg("first_sample") = 0)
      .def("push", &LogMelPush, py::arg("samples").noconvert(), "float32 (n,)")
      .def(
          "finish", [](LogMel& self) { Check(self.Finish(), "finish was called before"); },
          "Makes the frames that reach beyond the last sample.")
      .def("frames", &LogMelFrames,
           "(j, float32 (n, 192)): number of the first frame held, and a copy of all held: 64 mel "
           "bands, then 128 linear bands.")
      .def("discard_before", &LogMel::DiscardBefore, py::arg("j"), "Forgets frames before j.");
  m.def("log_mel", &LogMelOnce, py::arg("samples").noconvert(), py::arg("first_sample") = 0,
        "float32 (n,) at 16 kHz -> (number of the first frame, float32 (frames, 192)).");
}

}  // namespace

void bind_audio(py::module_& m) {
  BindResampler(m);
  BindLogMel(m);
  m.def("speech_activity", &Speech, py::arg("frames").noconvert(),
        "float32 (n, 192) from log_mel -> bool (n,): may someone be speaking.");
  m.def("bandwidth_hz", &BandwidthHz, py::arg("frames").noconvert(),
        "float32 (n, 192) from log_mel -> highest frequency with content, in hertz.");
  m.def("audio_level", &AudioLevel, py::arg("samples").noconvert(),
        "float32 (n,) -> (RMS, peak) in dBFS, at least -120.");
  m.def("audio_window", &AudioWindow, py::arg("frames").noconvert(), py::arg("valid").noconvert(),
        "float32 (192, 192), bool (192,) -> (mel float32 (64, 192), linear float32 (128, 192), "
        "whether enough frames are valid): the model's audio inputs of one window.");
  m.def("spectrum", &Spectrum, py::arg("samples").noconvert(),
        "float32 (512,) -> float32 (257, 2): real and imaginary parts of the transform.");
}
