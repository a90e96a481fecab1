// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <pybind11/stl.h>

#include <atomic>
#include <utility>

#include "bind.h"

namespace py = pybind11;

namespace {

using avg::Status;

void Check(Status status, const std::string& message) {
  if (status != Status::kOk) Raise(status, message);
}

avg::PerHead<double> HeadNumbers(const py::dict& numbers) {
  avg::PerHead<double> values{};
  for (size_t head = 0; head < avg::kHeads; ++head) values[head] = numbers[avg::spec::heads[head]].cast<double>();
  return values;
}

avg::Calibration::Mix MixOf(const py::dict& raw) {
  return {raw["bias"].cast<double>(), raw["either"].cast<double>(), HeadNumbers(raw["weight"])};
}

avg::Calibration CalibrationOf(const py::dict& raw) {
  avg::Calibration calibration;
  calibration.scale = HeadNumbers(raw["scale"]);
  calibration.bias = HeadNumbers(raw["bias"]);
  calibration.peak_weight = raw["peak_weight"].cast<double>();
  calibration.both = MixOf(raw["both"]);
  calibration.video_only = MixOf(raw["video_only"]);
  calibration.audio_only = MixOf(raw["audio_only"]);
  calibration.fake_above = raw["fake_above"].cast<double>();
  calibration.real_below = raw["real_below"].cast<double>();
  calibration.head_fake_above = HeadNumbers(raw["head_fake_above"]);
  calibration.head_real_below = HeadNumbers(raw["head_real_below"]);
  calibration.segment_above = HeadNumbers(raw["segment_above"]);
  calibration.minimum_face_s = raw["minimum_face_s"].cast<double>();
  calibration.minimum_speech_s = raw["minimum_speech_s"].cast<double>();
  calibration.offset_contrast = raw["offset_contrast"].cast<double>();
  return calibration;
}

std::shared_ptr<const avg::EngineProgram> OpenVerified(const py::bytes& data, const char* name) {
  const std::string_view view = data;
  std::vector<uint8_t> bytes(view.begin(), view.end());
  std::shared_ptr<const avg::EngineProgram> program;
  std::string error, hash;
  Status status;
  {
    const py::gil_scoped_release release;
    status = avg::OpenProgram(std::move(bytes), &program, &error);
    if (status == Status::kOk && program->ConstantString("spec_hash", &hash) != Status::kOk) hash.clear();
  }
  Check(status, std::string(name) + " cannot be opened: " + error + ". Reinstall avguard or export the model again.");
  if (hash != avg::spec::hash) {
    Raise(Status::kModel, std::string(name) + " was made for another spec: it carries " +
                              (hash.empty() ? "no spec hash" : hash) + ", this build needs " + avg::spec::hash +
                              ". Export the model again with this version of avguard.");
  }
  return program;
}

std::shared_ptr<avg::Model> OpenModel(const py::bytes& detector, const py::bytes& mesh, const py::object& joint,
                                      const py::object& calibration, const py::dict& card) {
  auto model = std::make_shared<avg::Model>();
  model->detector = OpenVerified(detector, "the face detector");
  model->mesh = OpenVerified(mesh, "the face mesh");
  if (!joint.is_none()) {
    model->joint = OpenVerified(joint.cast<py::bytes>(), "the joint model");
    model->calibration = CalibrationOf(calibration.cast<py::dict>());
  }
  model->card = {card["id"].cast<std::string>(), card["licence"].cast<std::string>(),
                 card["engine"].cast<std::string>()};
  return model;
}

// Runs one program on its own, for parity tests and the self-test.
class Program {
 public:
  explicit Program(const py::bytes& data) : program_(OpenVerified(data, "the program")) {
    std::string error;
    Check(program_->CreateNetwork(&network_, &error), error);
  }

  std::string Constant(const std::string& name) const {
    std::string value;
    Check(program_->ConstantString(name.c_str(), &value), "the program has no string constant '" + name + "'");
    return value;
  }

  std::vector<py::array_t<float>> Run(const std::vector<Floats>& inputs) {
    if (inputs.size() != network_->inputs()) {
      RaiseUsage("the program takes " + std::to_string(network_->inputs()) + " inputs, got " +
                 std::to_string(inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (static_cast<size_t>(inputs[i].size()) != network_->input_size(i)) {
        RaiseUsage("input " + std::to_string(i) + " needs " + std::to_string(network_->input_size(i)) +
                   " values, got " + std::to_string(inputs[i].size()));
      }
      std::copy(inputs[i].data(), inputs[i].data() + inputs[i].size(), network_->input(i));
    }
    Status status;
    {
      const py::gil_scoped_release release;
      status = network_->Run();
    }
    Check(status, "the program failed to run");
    std::vector<py::array_t<float>> outputs;
    for (size_t i = 0; i < network_->outputs(); ++i) {
      outputs.emplace_back(static_cast<py::ssize_t>(network_->output_size(i)), network_->output(i));
    }
    return outputs;
  }

 private:
  std::shared_ptr<const avg::EngineProgram> program_;
  std::unique_ptr<avg::Network> network_;
};

template <typename T>
py::array_t<T> ArrayOf(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
  py::array_t<T> array(std::move(shape));
  std::copy(values.begin(), values.end(), array.mutable_data());
  return array;
}

// Holds a session for one thread while it lives, if nobody else does.
struct Claim {
  explicit Claim(std::atomic<bool>* flag) : busy(flag), granted(!flag->exchange(true)) {}
  ~Claim() {
    if (granted) *busy = false;
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  std::atomic<bool>* busy;
  const bool granted;
};

[[noreturn]] void RaiseBusy() { RaiseUsage("this session is in use by another thread: give each thread its own"); }

// The session with its thread rule enforced: a second thread gets an error instead of a race.
class BoundSession {
 public:
  BoundSession(std::shared_ptr<avg::Model> model, bool expect_video, bool expect_audio, bool extract) {
    std::string error;
    Check(avg::Session::Create(std::move(model), {expect_video, expect_audio, extract}, &session_, &error), error);
  }

  void PushFrame(const py::sequence& planes, const std::string& format, int32_t width, int32_t height, int64_t t_us,
                 bool full_range, const std::string& matrix, int32_t rotation_deg, bool mirrored) {
    const avg::Image image = ImageOf(planes, format, width, height, full_range, matrix, rotation_deg, mirrored);
    Run([&] { return session_->PushFrame(image, t_us); });
  }

  void PushAudio(const Floats& samples, int32_t rate_hz, int64_t t_us) {
    if (samples.ndim() != 1) RaiseUsage("samples must be mono: a 1-D float32 array");
    Run([&] { return session_->PushAudio(samples.data(), static_cast<size_t>(samples.size()), rate_hz, t_us); });
  }

  void Warn(const std::string& warning) {
    Run([&] {
      session_->Warn(warning);
      return Status::kOk;
    });
  }

  py::list Poll() {
    std::vector<avg::Event> events;
    Run([&] {
      events = session_->Poll();
      return Status::kOk;
    });
    py::list list;
    for (const avg::Event& event : events) list.append(ToDict(event));
    return list;
  }

  std::string Finish() {
    avg::Verdict verdict;
    Run([&] { return session_->Finish(&verdict); });
    return avg::ToJson(verdict, session_->card());
  }

  py::dict Extracted() {
    const Claim claim(&busy_);
    if (!claim.granted) RaiseBusy();
    constexpr py::ssize_t kSide = avg::spec::video::canvas_px;
    py::list tracks;
    for (const auto& track : session_->extracted()) {
      const auto n = static_cast<py::ssize_t>(track.indices.size());
      py::dict row;
      row["id"] = track.id;
      row["indices"] = ArrayOf(track.indices, {n});
      row["canvases"] = ArrayOf(track.canvases, {n, kSide, kSide, 3});
      row["points"] = ArrayOf(track.points, {n, avg::kMeshPoints, 2});
      row["poses"] = ArrayOf(track.poses, {n, 4});
      row["eye_distance_px"] = ArrayOf(track.eye_distance, {n});
      tracks.append(row);
    }
    const auto& samples = session_->sound().kept_samples();
    py::dict result;
    result["tracks"] = tracks;
    result["samples"] = ArrayOf(samples, {static_cast<py::ssize_t>(samples.size())});
    result["first_sample"] = session_->sound().first_sample();
    return result;
  }

 private:
  template <typename Operation>
  void Run(Operation operation) {
    Status status = Status::kOk;
    const Claim claim(&busy_);
    if (claim.granted) {
      const py::gil_scoped_release release;
      status = operation();
    }
    if (!claim.granted) RaiseBusy();
    Check(status, session_->last_error());
  }

  static py::dict ToDict(const avg::Event& event) {
    static constexpr const char* kKinds[] = {"track_found", "track_lost", "window"};
    py::dict row;
    row["kind"] = kKinds[static_cast<size_t>(event.kind)];
    row["track"] = event.track;
    row["start_us"] = event.start_us;
    row["end_us"] = event.end_us;
    py::dict scores;
    for (size_t head = 0; head < avg::kHeads; ++head) scores[avg::spec::heads[head]] = event.scores[head];
    row["scores"] = scores;
    return row;
  }

  std::unique_ptr<avg::Session> session_;
  std::atomic<bool> busy_{false};
};

}  // namespace

void bind_session(py::module_& m) {
  py::class_<avg::Model, std::shared_ptr<avg::Model>>(m, "Model",
                                                      "Verified programs and calibration, shared by sessions.")
      .def(py::init(&OpenModel), py::arg("detector"), py::arg("mesh"), py::arg("joint"), py::arg("calibration"),
           py::arg("card"));
  py::class_<Program>(m, "Program", "One program on its own.")
      .def(py::init<const py::bytes&>(), py::arg("data"))
      .def("constant", &Program::Constant, py::arg("name"))
      .def("run", &Program::Run, py::arg("inputs"), "float32 arrays in -> flat float32 arrays out.");
  py::class_<BoundSession>(m, "Session", "The line for one clip; one thread at a time.")
      .def(py::init<std::shared_ptr<avg::Model>, bool, bool, bool>(), py::arg("model"), py::kw_only(),
           py::arg("expect_video") = true, py::arg("expect_audio") = true, py::arg("extract") = false)
      .def("push_frame", &BoundSession::PushFrame, py::arg("planes"), py::arg("format"), py::arg("width"),
           py::arg("height"), py::arg("t_us"), py::kw_only(), py::arg("full_range") = false,
           py::arg("matrix") = "bt601", py::arg("rotation_deg") = 0, py::arg("mirrored") = false)
      .def("push_audio", &BoundSession::PushAudio, py::arg("samples").noconvert(), py::arg("rate_hz"), py::arg("t_us"))
      .def("warn", &BoundSession::Warn, py::arg("warning"))
      .def("poll", &BoundSession::Poll)
      .def("finish", &BoundSession::Finish)
      .def("extracted", &BoundSession::Extracted);
}
