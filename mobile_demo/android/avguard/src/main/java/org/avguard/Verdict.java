// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** What a screen shows of a verdict; the rest is in its JSON. */
public final class Verdict {
  /** A suspicious stretch of the clip. */
  public static final class Segment {
    public final double startS, endS, score;

    /** video, audio, sync or desync. */
    public final String modality;

    Segment(JSONObject raw) throws JSONException {
      startS = raw.getDouble("start_s");
      endS = raw.getDouble("end_s");
      modality = raw.getString("modality");
      score = raw.getDouble("score");
    }
  }

  /** Probabilities at a fixed rate, NaN where nothing was judged. */
  public static final class Timeline {
    public final double startS, stepS;
    public final double[] video, audio, sync;

    Timeline(JSONObject raw) throws JSONException {
      startS = raw.getDouble("start_s");
      stepS = raw.getDouble("step_s");
      video = numbers(raw.optJSONArray("video"));
      audio = numbers(raw.optJSONArray("audio"));
      sync = numbers(raw.optJSONArray("sync"));
    }
  }

  /** The whole verdict, as every door of avguard gives it. */
  public final String json;

  /** real, fake or inconclusive. */
  public final String label;

  /** Why it is inconclusive, as the schema names it: no_face, no_speech, ... */
  public final List<String> reasons;

  /** Probabilities of manipulation, NaN where there was nothing to judge. */
  public final double overall, video, audio, sync;

  public final List<Segment> segments;
  public final Timeline timeline;
  public final double faceS, speechS;
  public final List<String> warnings;

  /** Reads what {@link Session#finish} gave. Throws IllegalArgumentException when it is not a verdict. */
  public static Verdict of(String json) {
    try {
      return new Verdict(json, new JSONObject(json));
    } catch (JSONException error) {
      throw new IllegalArgumentException("this is no verdict of schema avguard.verdict/1: " + error.getMessage(), error);
    }
  }

  private Verdict(String json, JSONObject raw) throws JSONException {
    JSONObject score = raw.getJSONObject("score");
    JSONObject quality = raw.getJSONObject("quality");
    JSONArray stretches = raw.getJSONArray("segments");
    this.json = json;
    label = raw.getString("label");
    reasons = texts(raw.getJSONArray("reasons"));
    overall = score.optDouble("overall");
    video = score.optDouble("video");
    audio = score.optDouble("audio");
    sync = score.optDouble("sync");
    segments = new ArrayList<>();
    for (int i = 0; i < stretches.length(); ++i) segments.add(new Segment(stretches.getJSONObject(i)));
    timeline = new Timeline(raw.getJSONObject("timeline"));
    faceS = quality.optDouble("face_s");
    speechS = quality.optDouble("speech_s");
    warnings = texts(raw.getJSONArray("warnings"));
  }

  private static List<String> texts(JSONArray raw) throws JSONException {
    List<String> found = new ArrayList<>();
    for (int i = 0; i < raw.length(); ++i) found.add(raw.getString(i));
    return found;
  }

  private static double[] numbers(JSONArray raw) {
    double[] found = new double[raw == null ? 0 : raw.length()];
    for (int i = 0; i < found.length; ++i) found[i] = raw.optDouble(i);
    return found;
  }
}
