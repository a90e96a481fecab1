// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <pybind11/stl.h>

#include <cstring>
#include <utility>

#include "bind.h"
#include "capi.h"
#include "programs.h"

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

std::shared_ptr<const avg::EngineProgram> OpenProgram(const py::bytes& data, const char* name,
                                                      const avg::Interface* named = nullptr) {
  const std::string_view view = data;
  // A copy: what Python holds may go before the program.
  auto bytes = std::make_shared<std::vector<uint8_t>>(view.begin(), view.end());
  std::shared_ptr<const avg::EngineProgram> program;
  std::string message;
  Status status;
  {
    const py::gil_scoped_release release;
    status = avg::OpenVerified({bytes->data(), bytes->size(), bytes}, name, named, &program, &message);
  }
  Check(status, message);
  return program;
}

std::shared_ptr<avg::Model> OpenModel(const py::bytes& detector, const py::bytes& mesh, const py::object& joint,
                                      const py::object& calibration, const py::dict& card) {
  auto model = std::make_shared<avg::Model>();
  model->detector = OpenProgram(detector, "the face detector");
  model->mesh = OpenProgram(mesh, "the face mesh");
  if (!joint.is_none()) {
    model->joint = OpenProgram(joint.cast<py::bytes>(), "the joint model", &avg::programs::kJoint);
    model->calibration = CalibrationOf(calibration.cast<py::dict>());
  }
  model->card = {card["id"].cast<std::string>(), card["licence"].cast<std::string>(),
                 card["engine"].cast<std::string>()};
  if (card.contains("unread")) model->warning = avg::UnreadWarning(card["unread"].cast<std::string>());
  return model;
}

// Runs one program on its own, for parity tests and the self-test.
class Program {
 public:
  Program(const py::bytes& data, bool joint)
      : program_(OpenProgram(data, "the program", joint ? &avg::programs::kJoint : nullptr)) {
    std::string error;
    Check(program_->CreateNetwork(nullptr, &network_, &error), error);
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
      avg::SetInput(network_.get(), i, inputs[i].data());
    }
    return RunAgain();
  }

  // A session writes where the network reads: this is what its run costs.
  std::vector<py::array_t<float>> RunAgain() {
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
  avg::Owned<avg::Network> network_;
};

template <typename T>
py::array_t<T> ArrayOf(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
  py::array_t<T> array(std::move(shape));
  std::copy(values.begin(), values.end(), array.mutable_data());
  return array;
}

// A session behind its C handle, whose memory is the heap.
class BoundSession {
 public:
  BoundSession(std::shared_ptr<avg::Model> model, bool expect_video, bool expect_audio, bool extract) {
    avg::SessionOptions options;
    options.expect_video = expect_video;
    options.expect_audio = expect_audio;
    options.extract = extract;
    options.max_events = kEvents;
    std::string message;
    const avg_status status = avg::OpenHeapSession(std::move(model), options, &session_, &message);
    if (status != AVG_OK) Raise(static_cast<Status>(status), message.empty() ? avg_status_text(status) : message);
  }
  ~BoundSession() { avg_session_close(session_); }
  BoundSession(const BoundSession&) = delete;
  BoundSession& operator=(const BoundSession&) = delete;

  void PushFrame(const py::sequence& planes, const std::string& format, int32_t width, int32_t height, int64_t t_us,
                 bool full_range, const std::string& matrix, int32_t rotation_deg, bool mirrored,
                 const py::object& release) {
    const avg::Image image = ImageOf(planes, format, width, height, full_range, matrix, rotation_deg, mirrored);
    avg_frame frame = FrameOf(image, t_us);
    py::object owner;
    if (!release.is_none()) {
      owner = py::make_tuple(py::tuple(planes), release);
      frame.release = GiveBack;
      frame.owner = owner.ptr();
    }
    Run([&] { return avg_session_push_frame(session_, &frame); });
    owner.release();  // the session's now; an error above leaves it ours
  }

  void PushAudio(const Floats& samples, int32_t rate_hz, int64_t t_us) {
    if (samples.ndim() != 1) RaiseUsage("samples must be mono: a 1-D float32 array");
    avg_audio audio{};
    audio.struct_size = sizeof audio;
    audio.t_us = t_us;
    audio.format = AVG_F32;
    audio.channels = 1;
    audio.rate_hz = rate_hz;
    audio.samples = samples.data();
    audio.count = static_cast<size_t>(samples.size());
    Run([&] { return avg_session_push_audio(session_, &audio); });
  }

  void Warn(const std::string& warning) {
    Run([&] { return avg_session_warn(session_, warning.c_str()); });
  }

  py::list Poll() {
    py::list list;
    avg_event event;
    event.struct_size = sizeof event;
    while (Run([&] { return avg_session_poll(session_, &event); }) == AVG_OK) list.append(ToDict(event));
    return list;
  }

  py::str Finish() {
    avg_verdict verdict;
    verdict.struct_size = sizeof verdict;
    Run([&] { return avg_session_finish(session_, &verdict); });
    size_t length = 0;
    Run([&] { return avg_session_json(session_, nullptr, 0, &length); });
    std::string json(length + 1, '\0');
    Run([&] { return avg_session_json(session_, json.data(), json.size(), &length); });
    // A warning may quote bytes of a broken file.
    return py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(json.data(), static_cast<Py_ssize_t>(length), "replace"));
  }

  py::dict Extracted() {
    constexpr py::ssize_t kSide = avg::spec::video::canvas_px;
    std::vector<avg::ExtractedTrack> extracted;
    std::vector<float> samples;
    int64_t first_sample = 0;
    Run([&] {
      return avg::OnSession(session_, [&](avg_session& open) {
        extracted = open.session->extracted();
        samples = open.session->sound().kept_samples();
        first_sample = open.session->sound().first_sample();
        return AVG_OK;
      });
    });
    py::list tracks;
    for (const auto& track : extracted) {
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
    py::dict result;
    result["tracks"] = tracks;
    result["samples"] = ArrayOf(samples, {static_cast<py::ssize_t>(samples.size())});
    result["first_sample"] = first_sample;
    return result;
  }

 private:
  // Half a day of windows: one who never polls finds them all after an ordinary clip.
  static constexpr size_t kEvents = 65536;

  template <typename Operation>
  avg_status Run(Operation operation) {
    avg_status status;
    {
      const py::gil_scoped_release release;
      status = operation();
    }
    if (status == AVG_OK || status == AVG_NO_EVENT) return status;
    // Another thread that is inside may write the session's own message.
    if (status == AVG_BUSY) RaiseUsage("this session is in use by another thread: give each thread its own");
    Raise(static_cast<Status>(status), avg_session_error(session_));
  }

  // The session no longer looks at `owner`, (planes, what to call).
  static void GiveBack(void* owner) {
    const py::gil_scoped_acquire held;
    const auto lent = py::reinterpret_steal<py::tuple>(static_cast<PyObject*>(owner));
    try {
      lent[1]();
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("giving a frame back");
    }
  }

  static avg_frame FrameOf(const avg::Image& image, int64_t t_us) {
    avg_frame frame{};
    frame.struct_size = sizeof frame;
    frame.t_us = t_us;
    frame.format = static_cast<int32_t>(image.format);
    frame.matrix = static_cast<int32_t>(image.matrix);
    frame.full_range = image.full_range ? 1 : 0;
    frame.mirrored = image.mirrored ? 1 : 0;
    frame.rotation_deg = image.rotation_deg;
    frame.width = image.width;
    frame.height = image.height;
    std::copy(std::begin(image.plane), std::end(image.plane), frame.plane);
    std::copy(std::begin(image.stride), std::end(image.stride), frame.stride);
    return frame;
  }

  static py::dict ToDict(const avg_event& event) {
    static constexpr const char* kKinds[] = {"track_found", "track_lost", "window", "segment_opened", "segment_closed"};
    py::dict row;
    row["number"] = event.number;
    row["kind"] = kKinds[event.kind];
    row["track"] = event.track;
    row["head"] = event.head < 0 ? py::object(py::none()) : py::str(avg::spec::heads[static_cast<size_t>(event.head)]);
    row["start_us"] = event.start_us;
    row["end_us"] = event.end_us;
    py::dict scores;
    for (size_t head = 0; head < avg::kHeads; ++head) {
      const double score = event.scores[head];
      scores[avg::spec::heads[head]] = std::isnan(score) ? py::object(py::none()) : py::float_(score);
    }
    row["scores"] = scores;
    return row;
  }

  avg_session* session_ = nullptr;
};

}  // namespace

void bind_session(py::module_& m) {
  py::class_<avg::Model, std::shared_ptr<avg::Model>>(m, "Model",
                                                      "Verified programs and calibration, shared by sessions.")
      .def(py::init(&OpenModel), py::arg("detector"), py::arg("mesh"), py::arg("joint"), py::arg("calibration"),
           py::arg("card"));
  py::class_<Program>(m, "Program", "One program on its own.")
      .def(py::init<const py::bytes&, bool>(), py::arg("data"), py::kw_only(), py::arg("joint") = false)
      .def("constant", &Program::Constant, py::arg("name"))
      .def("run", &Program::Run, py::arg("inputs"), "float32 arrays in -> flat float32 arrays out.")
      .def("run_again", &Program::RunAgain, "The same on the inputs of the last run, which are not copied again.");
  py::class_<BoundSession>(m, "Session", "The line for one clip; one thread at a time.")
      .def(py::init<std::shared_ptr<avg::Model>, bool, bool, bool>(), py::arg("model"), py::kw_only(),
           py::arg("expect_video") = true, py::arg("expect_audio") = true, py::arg("extract") = false)
      .def("push_frame", &BoundSession::PushFrame, py::arg("planes"), py::arg("format"), py::arg("width"),
           py::arg("height"), py::arg("t_us"), py::kw_only(), py::arg("full_range") = false,
           py::arg("matrix") = "bt601", py::arg("rotation_deg") = 0, py::arg("mirrored") = false,
           py::arg("release") = py::none())
      .def("push_audio", &BoundSession::PushAudio, py::arg("samples").noconvert(), py::arg("rate_hz"), py::arg("t_us"))
      .def("warn", &BoundSession::Warn, py::arg("warning"))
      .def("poll", &BoundSession::Poll)
      .def("finish", &BoundSession::Finish)
      .def("extracted", &BoundSession::Extracted);
}
