// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.widget.LinearLayout;
import android.widget.ProgressBar;
import android.widget.TextView;

/** Picture, sound, lips and voice: three bars from 0 to 100 percent. */
final class Meters {
  private static final int[] NAMES = {R.string.video, R.string.audio, R.string.sync};
  private static final int FULL = 100;

  private final ProgressBar[] bars = new ProgressBar[NAMES.length];
  private final TextView[] texts = new TextView[NAMES.length];

  Meters(Context context, LinearLayout place) {
    for (int i = 0; i < NAMES.length; ++i) {
      texts[i] = new TextView(context);
      bars[i] = new ProgressBar(context, null, android.R.attr.progressBarStyleHorizontal);
      bars[i].setMax(FULL);
      place.addView(texts[i]);
      place.addView(bars[i]);
    }
    show(new double[] {Double.NaN, Double.NaN, Double.NaN});
  }

  /** Shows video, audio and sync; NaN: nothing to judge. */
  void show(double[] scores) {
    for (int i = 0; i < NAMES.length; ++i) {
      boolean known = !Double.isNaN(scores[i]);
      int percent = known ? (int) Math.round(scores[i] * FULL) : 0;
      bars[i].setProgress(percent);
      String name = texts[i].getContext().getString(NAMES[i]);
      texts[i].setText(known ? name + ": " + percent + " %" : name + ": –");
    }
  }
}
