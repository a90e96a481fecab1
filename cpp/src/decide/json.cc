// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>
#include <iterator>
#include <string_view>

#include "decide/decide.h"

namespace avg {
namespace {

const char* Name(Label label) {
  switch (label) {
    case Label::kReal:
      return "real";
    case Label::kFake:
      return "fake";
    case Label::kInconclusive:
      break;
  }
  return "inconclusive";
}

// Reasons in the order of their bits.
constexpr const char* kReasons[] = {"too_short",      "no_video", "no_face",   "face_too_small",
                                    "face_too_short", "no_audio", "no_speech", "uncertain"};

// Writes members of a JSON text into a buffer, as far as they fit, and counts all of them. Commas are placed by what
// was written last.
class Writer {
 public:
  Writer(char* text, size_t capacity) : text_(text), capacity_(capacity) {}
  size_t length() const { return length_; }

  void Open(char bracket) {
    Comma();
    Put(bracket);
  }
  void Close(char bracket) { Put(bracket); }
  void Key(const char* name) {
    Comma();
    Quote(name);
    Put(':');
  }
  void Text(std::string_view value) {
    Comma();
    Quote(value);
  }
  void Literal(std::string_view value) {
    Comma();
    for (const char c : value) Put(c);
  }
  void Integer(int64_t value) {
    char buffer[24];
    const char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    Literal({buffer, static_cast<size_t>(end - buffer)});
  }
  // null for what is not a number.
  void Number(double value, int decimals) {
    // Beyond this nothing in a verdict lies, and its spelling stays short.
    if (!(std::abs(value) < 1e15)) return Literal("null");
    char buffer[64];
    // Unlike printf this asks no locale.
    const auto spelled = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals);
    std::string_view text(buffer, static_cast<size_t>(spelled.ptr - buffer));
    // Rounding may leave a negative zero, which is one value spelled two ways.
    if (text[0] == '-' && text.find_first_not_of("-0.") == std::string_view::npos) text.remove_prefix(1);
    Literal(text);
  }
  void Number(std::optional<double> value, int decimals) { Number(OrNan(value), decimals); }
  void Reasons(uint32_t bits) {
    Open('[');
    for (size_t i = 0; i < std::size(kReasons); ++i) {
      if ((bits >> i & 1) != 0) Text(kReasons[i]);
    }
    Close(']');
  }
  void Seconds(int64_t t_us) { Number(static_cast<double>(t_us) * 1e-6, 3); }

 private:
  void Put(char c) {
    if (length_ < capacity_) text_[length_] = c;
    ++length_;
    last_ = c;
  }
  void Comma() {
    if (length_ > 0 && last_ != '{' && last_ != '[' && last_ != ':') Put(',');
  }
  void Quote(std::string_view value) {
    constexpr const char* kHex = "0123456789abcdef";
    Put('"');
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20) {
        for (const char escaped : {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]}) Put(escaped);
        continue;
      }
      if (c == '"' || c == '\\') Put('\\');
      Put(c);
    }
    Put('"');
  }

  char* text_;
  size_t capacity_;
  size_t length_ = 0;
  char last_ = 0;
};

void WriteHeads(const Verdict& verdict, Writer* out) {
  out->Key("score");
  out->Open('{');
  out->Key("overall");
  out->Number(verdict.overall, 4);
  for (size_t head = 0; head < kHeads; ++head) {
    out->Key(spec::heads[head]);
    out->Number(verdict.heads[head].score, 4);
  }
  out->Close('}');
  out->Key("heads");
  out->Open('{');
  for (size_t head = 0; head < kHeads; ++head) {
    out->Key(spec::heads[head]);
    out->Open('{');
    out->Key("label");
    out->Text(Name(verdict.heads[head].label));
    out->Key("reasons");
    out->Reasons(verdict.heads[head].reasons);
    out->Close('}');
  }
  out->Close('}');
}

void WriteWhen(const Verdict& verdict, Writer* out) {
  out->Key("segments");
  out->Open('[');
  for (const avg_segment& segment : verdict.segments) {
    out->Open('{');
    out->Key("start_s");
    out->Seconds(segment.start_us);
    out->Key("end_s");
    out->Seconds(segment.end_us);
    out->Key("modality");
    out->Text(spec::heads[static_cast<size_t>(segment.head)]);
    out->Key("score");
    out->Number(segment.score, 4);
    out->Close('}');
  }
  out->Close(']');
  out->Key("timeline");
  out->Open('{');
  out->Key("start_s");
  out->Seconds(verdict.timeline_start_us);
  out->Key("step_s");
  out->Seconds(static_cast<int64_t>(spec::window::frames / kSteps) * spec::video::period_us);
  for (size_t head = 0; head < kHeads; ++head) {
    out->Key(spec::heads[head]);
    out->Open('[');
    for (const double score : verdict.timeline[head]) out->Number(score, 4);
    out->Close(']');
  }
  out->Close('}');
}

void WriteTracks(const Verdict& verdict, Writer* out) {
  out->Key("tracks");
  out->Open('[');
  for (const avg_track& track : verdict.tracks) {
    out->Open('{');
    out->Key("id");
    out->Integer(track.id);
    out->Key("primary");
    out->Literal(track.primary != 0 ? "true" : "false");
    out->Key("start_s");
    out->Seconds(track.start_us);
    out->Key("end_s");
    out->Seconds(track.end_us);
    out->Key("face_s");
    out->Number(track.face_s, 3);
    out->Key("face_px");
    out->Number(track.face_px, 1);
    out->Key("speaking");
    out->Number(track.speaking, 3);
    out->Key("video");
    out->Number(track.video, 4);
    out->Key("sync");
    out->Number(track.sync, 4);
    out->Key("desync");
    out->Number(track.desync, 4);
    out->Close('}');
  }
  out->Close(']');
}

void WriteQuality(const Quality& quality, Writer* out) {
  out->Key("quality");
  out->Open('{');
  const auto member = [&](const char* name, std::optional<double> value, int decimals) {
    out->Key(name);
    out->Number(value, decimals);
  };
  member("duration_s", quality.duration_s, 3);
  member("face_s", quality.face_s, 3);
  member("speech_s", quality.speech_s, 3);
  member("face_px", quality.face_px, 1);
  member("yaw", quality.yaw, 3);
  member("sharpness", quality.sharpness, 2);
  member("brightness", quality.brightness, 1);
  member("bandwidth_hz", quality.bandwidth_hz, 0);
  member("loudness_dbfs", quality.loudness_dbfs, 1);
  out->Close('}');
}

}  // namespace

size_t WriteJson(const Verdict& verdict, const ModelCard& model, char* json, size_t capacity) {
  Writer out(json, capacity);
  out.Open('{');
  out.Key("schema");
  out.Text("avguard.verdict/1");
  out.Key("label");
  out.Text(Name(verdict.label));
  out.Key("reasons");
  out.Reasons(verdict.reasons);
  WriteHeads(verdict, &out);
  out.Key("offset_ms");
  out.Number(verdict.offset_ms, 0);
  out.Key("offset_contrast");
  out.Number(verdict.offset_contrast, 3);
  WriteWhen(verdict, &out);
  WriteTracks(verdict, &out);
  WriteQuality(verdict.quality, &out);
  out.Key("warnings");
  out.Open('[');
  verdict.warnings.ForEach([&](const char* warning) { out.Text(warning); });
  out.Close(']');
  out.Key("model");
  out.Open('{');
  out.Key("id");
  out.Text(model.id);
  out.Key("licence");
  out.Text(model.licence);
  out.Key("engine");
  out.Text(model.engine);
  out.Key("spec_hash");
  out.Text(spec::hash);
  out.Close('}');
  out.Close('}');
  return out.length();
}

}  // namespace avg
