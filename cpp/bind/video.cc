// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "avg_spec.h"
#include "bind.h"
#include "clip/grid.h"
#include "clip/window.h"
#include "face/align.h"
#include "face/detector.h"
#include "video/warp.h"

namespace py = pybind11;

namespace {

constexpr py::ssize_t kFrames = avg::spec::window::frames;
constexpr py::ssize_t kCanvas = avg::spec::video::canvas_px;
constexpr py::ssize_t kMouth = avg::spec::video::mouth_px;

void NeedShape(const py::array& array, const std::vector<py::ssize_t>& shape, const char* name) {
  bool fits = array.ndim() == static_cast<py::ssize_t>(shape.size());
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = array.shape(static_cast<py::ssize_t>(i)) == shape[i];
  if (!fits) RaiseUsage(std::string(name) + " has the wrong shape, want " + std::string(py::str(py::cast(shape))));
}

py::array_t<avg::Level> Warp(const py::sequence& planes, const std::string& format, int32_t width, int32_t height,
                             const std::array<double, 6>& map, int32_t out_width, int32_t out_height, bool full_range,
                             const std::string& matrix, int32_t rotation_deg, bool mirrored, bool black_border) {
  const avg::Image image = ImageOf(planes, format, width, height, full_range, matrix, rotation_deg, mirrored);
  if (out_width < 1 || out_height < 1 || out_width > avg::kMaxImageSide || out_height > avg::kMaxImageSide) {
    RaiseUsage("the output size is impossible");
  }
  py::array_t<avg::Level> out(
      {py::ssize_t{3}, static_cast<py::ssize_t>(out_height), static_cast<py::ssize_t>(out_width)});
  avg::Level* data = out.mutable_data();
  const py::gil_scoped_release release;
  avg::WarpToRgb(image, {map[0], map[1], map[2], map[3], map[4], map[5]}, out_width, out_height,
                 black_border ? avg::Border::kBlack : avg::Border::kReplicate, data);
  return out;
}

py::tuple PackPixels(const Bytes& canvases) {
  NeedShape(canvases, {kFrames, kCanvas, kCanvas, 3}, "canvases");
  constexpr py::ssize_t kLooks = kFrames / avg::spec::video::face_every;
  py::array_t<float> face({kLooks, py::ssize_t{4}, kCanvas, kCanvas});
  py::array_t<float> mouth({kFrames, py::ssize_t{1}, kMouth, kMouth});
  constexpr size_t kPixels = static_cast<size_t>(kCanvas) * kCanvas;
  std::vector<avg::Level> levels(kFrames * 3 * kPixels);
  std::array<const avg::Level*, kFrames> rows;
  const uint8_t* data = canvases.data();
  float* face_data = face.mutable_data();
  float* mouth_data = mouth.mutable_data();
  {
    const py::gil_scoped_release release;
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i] = levels.data() + i * 3 * kPixels;
      avg::FromBytes(data + i * 3 * kPixels, kPixels, levels.data() + i * 3 * kPixels);
    }
    avg::PackPixels(rows.data(), {}, face_data, mouth_data);
  }
  return py::make_tuple(face, mouth);
}

py::array_t<float> PackMotion(const Floats& points, const Floats& poses) {
  NeedShape(points, {kFrames, avg::kMeshPoints, 2}, "points");
  NeedShape(poses, {kFrames, 4}, "poses");
  py::array_t<float> motion({py::ssize_t{avg::spec::motion::dims}, py::ssize_t{1}, kFrames});
  std::array<const float*, kFrames> point_rows, pose_rows;
  for (size_t i = 0; i < point_rows.size(); ++i) {
    point_rows[i] = points.data(static_cast<py::ssize_t>(i));
    pose_rows[i] = poses.data(static_cast<py::ssize_t>(i));
  }
  avg::PackMotion(point_rows.data(), pose_rows.data(), motion.mutable_data());
  return motion;
}

avg::MeshPoints MeshOf(const Floats& points) {
  NeedShape(points, {avg::kMeshPoints, 2}, "points");
  avg::MeshPoints mesh;
  for (size_t i = 0; i < mesh.size(); ++i) {
    mesh[i] = {points.at(static_cast<py::ssize_t>(i), 0), points.at(static_cast<py::ssize_t>(i), 1)};
  }
  return mesh;
}

std::array<double, 4> FitCanvas(const Floats& points) {
  const avg::Similarity fit = avg::FitCanvas(MeshOf(points));
  return {fit.a, fit.b, fit.tx, fit.ty};
}

py::list DecodeFaces(const Floats& regressors, const Floats& logits, int32_t width, int32_t height) {
  NeedShape(regressors, {avg::kAnchors, avg::kRegressorsPerAnchor}, "regressors");
  NeedShape(logits, {avg::kAnchors}, "logits");
  std::vector<avg::FaceBox> scratch(avg::kAnchors);
  avg::FaceBoxes faces;
  const size_t count =
      avg::DecodeFaces(regressors.data(), logits.data(), avg::DetectorToUpright(width, height), scratch.data(), &faces);
  py::list boxes;
  for (size_t i = 0; i < count; ++i) {
    const avg::FaceBox& box = faces[i];
    boxes.append(py::make_tuple(py::make_tuple(box.left, box.top, box.right, box.bottom), box.score, box.keypoints));
  }
  return boxes;
}

// (index, frame) pairs of a whole clip's timestamps.
std::vector<std::pair<int64_t, int64_t>> PlaceFrames(const std::vector<int64_t>& times_us) {
  avg::FrameGrid grid;
  std::vector<std::pair<int64_t, int64_t>> placed;
  const auto take = [&] {
    for (avg::FrameGrid::Cell cell; grid.Take(&cell);) placed.emplace_back(cell.index, cell.frame);
  };
  for (const int64_t t_us : times_us) {
    grid.Push(t_us);
    take();
  }
  grid.Finish();
  take();
  return placed;
}

}  // namespace

void bind_video(py::module_& m) {
  m.def("warp", &Warp, py::arg("planes"), py::arg("format"), py::arg("width"), py::arg("height"), py::arg("map"),
        py::arg("out_width"), py::arg("out_height"), py::kw_only(), py::arg("full_range") = false,
        py::arg("matrix") = "bt601", py::arg("rotation_deg") = 0, py::arg("mirrored") = false,
        py::arg("black_border") = false,
        "Sample an upright picture through the affine map (a, b, c, d, e, f) -> uint16 RGB (3, height, width), 256 to "
        "a level.");
  m.def("pack_pixels", &PackPixels, py::arg("canvases").noconvert(),
        "uint8 canvases (48, 112, 112, 3) -> float32 face (12, 4, 112, 112), mouth (48, 1, 48, 48).");
  m.def("pack_motion", &PackMotion, py::arg("points").noconvert(), py::arg("poses").noconvert(),
        "float32 canvas points (48, 468, 2) and poses (48, 4) -> motion (dims, 1, 48).");
  m.def("fit_canvas", &FitCanvas, py::arg("points").noconvert(),
        "Mesh (468, 2) in picture pixels -> similarity (a, b, tx, ty) onto the canvas template.");
  m.def("decode_faces", &DecodeFaces, py::arg("regressors").noconvert(), py::arg("logits").noconvert(),
        py::arg("width"), py::arg("height"), "Detector output -> [(box, score, six keypoints)] in picture pixels.");
  m.def("place_frames", &PlaceFrames, py::arg("times_us"),
        "Timestamps of a clip's frames -> [(grid index, frame or -1)].");
}
