// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

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

// Appends members to a JSON text; commas are placed by looking at what was written last.
class Writer {
 public:
  std::string Take() { return std::move(text_); }

  void Open(char bracket) {
    Comma();
    text_ += bracket;
  }
  void Close(char bracket) { text_ += bracket; }
  void Key(const char* name) {
    Comma();
    Quote(name);
    text_ += ':';
  }
  void Text(const std::string& value) {
    Comma();
    Quote(value);
  }
  void Literal(const char* value) {
    Comma();
    text_ += value;
  }
  void Integer(int64_t value) { Literal(std::to_string(value).c_str()); }
  void Number(double value, int decimals) {
    char buffer[64];
    // Rounding may leave a negative zero, which is one value spelled two ways.
    std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
    std::string spelled = buffer;
    if (spelled[0] == '-' && spelled.find_first_not_of("-0.") == std::string::npos) spelled.erase(0, 1);
    Literal(spelled.c_str());
  }
  void Number(std::optional<double> value, int decimals) {
    if (value) {
      Number(*value, decimals);
    } else {
      Literal("null");
    }
  }
  void Texts(const std::vector<std::string>& values) {
    Open('[');
    for (const auto& value : values) Text(value);
    Close(']');
  }
  void Seconds(int64_t t_us) { Number(static_cast<double>(t_us) * 1e-6, 3); }

 private:
  void Comma() {
    if (text_.empty()) return;
    const char last = text_.back();
    if (last != '{' && last != '[' && last != ':') text_ += ',';
  }
  void Quote(const std::string& value) {
    text_ += '"';
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (byte < 0x20) {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\u%04x", byte);
        text_ += buffer;
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  std::string text_;
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
    out->Texts(verdict.heads[head].reasons);
    out->Close('}');
  }
  out->Close('}');
}

void WriteWhen(const Verdict& verdict, Writer* out) {
  out->Key("segments");
  out->Open('[');
  for (const Segment& segment : verdict.segments) {
    out->Open('{');
    out->Key("start_s");
    out->Seconds(segment.start_us);
    out->Key("end_s");
    out->Seconds(segment.end_us);
    out->Key("modality");
    out->Text(spec::heads[segment.head]);
    out->Key("score");
    out->Number(segment.score, 4);
    out->Close('}');
  }
  out->Close(']');
  out->Key("timeline");
  out->Open('{');
  out->Key("start_s");
  out->Seconds(verdict.timeline.start_us);
  out->Key("step_s");
  out->Seconds(static_cast<int64_t>(spec::window::frames / kSteps) * spec::video::period_us);
  for (size_t head = 0; head < kHeads; ++head) {
    out->Key(spec::heads[head]);
    out->Open('[');
    for (const Score& score : verdict.timeline.scores[head]) out->Number(score, 4);
    out->Close(']');
  }
  out->Close('}');
}

void WriteTracks(const Verdict& verdict, Writer* out) {
  out->Key("tracks");
  out->Open('[');
  for (const TrackVerdict& track : verdict.tracks) {
    out->Open('{');
    out->Key("id");
    out->Integer(track.id);
    out->Key("primary");
    out->Literal(track.primary ? "true" : "false");
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

std::string ToJson(const Verdict& verdict, const ModelCard& model) {
  Writer out;
  out.Open('{');
  out.Key("schema");
  out.Text("avguard.verdict/1");
  out.Key("label");
  out.Text(Name(verdict.label));
  out.Key("reasons");
  out.Texts(verdict.reasons);
  WriteHeads(verdict, &out);
  out.Key("offset_ms");
  out.Number(verdict.offset_ms, 0);
  out.Key("offset_contrast");
  out.Number(verdict.offset_contrast, 3);
  WriteWhen(verdict, &out);
  WriteTracks(verdict, &out);
  WriteQuality(verdict.quality, &out);
  out.Key("warnings");
  out.Texts(verdict.warnings);
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
  return out.Take();
}

}  // namespace avg
