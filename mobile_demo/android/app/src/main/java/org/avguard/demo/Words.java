// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.res.Resources;
import java.util.Map;
import org.avguard.Verdict;

/** A verdict in words. */
final class Words {
  private static final Map<String, Integer> LABELS =
      Map.of(
          "real", R.string.label_real,
          "fake", R.string.label_fake,
          "inconclusive", R.string.label_inconclusive);
  private static final Map<String, Integer> REASONS =
      Map.of(
          "no_face", R.string.no_face,
          "face_too_small", R.string.face_too_small,
          "face_too_short", R.string.face_too_short,
          "no_speech", R.string.no_speech,
          "no_video", R.string.no_video,
          "no_audio", R.string.no_audio,
          "too_short", R.string.too_short,
          "uncertain", R.string.uncertain);
  private static final Map<String, Integer> HEADS =
      Map.of("video", R.string.video, "audio", R.string.audio, "sync", R.string.sync, "desync", R.string.desync);

  private Words() {}

  static String label(Resources texts, Verdict verdict) {
    return texts.getString(LABELS.get(verdict.label));
  }

  /** Reasons, suspicious stretches and what could be seen, a line each. */
  static String details(Resources texts, Verdict verdict) {
    StringBuilder lines = new StringBuilder();
    for (String reason : verdict.reasons) {
      Integer known = REASONS.get(reason);
      lines.append(known == null ? reason : texts.getString(known)).append('\n');
    }
    for (Verdict.Segment segment : verdict.segments) {
      String head = texts.getString(HEADS.get(segment.modality));
      long percent = Math.round(segment.score * 100);
      lines.append(texts.getString(R.string.stretch, segment.startS, segment.endS, head, percent)).append('\n');
    }
    lines.append(texts.getString(R.string.coverage, verdict.faceS, verdict.speechS));
    for (String warning : verdict.warnings) lines.append('\n').append(warning);
    return lines.toString();
  }
}
