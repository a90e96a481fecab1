// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.graphics.Path;
import android.util.AttributeSet;
import android.view.MotionEvent;
import android.view.View;
import java.util.function.DoubleConsumer;
import org.avguard.Verdict;

/** Three curves over the clip and its suspicious stretches; a finger on it looks through the clip. */
public final class TimelineView extends View {
  private static final float WIDTH_DP = 2;
  private static final int STRETCH_ALPHA = 50;

  private final Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
  private final float density = getResources().getDisplayMetrics().density;
  private Verdict verdict;
  private double at;
  private DoubleConsumer onScrub = seconds -> {};

  public TimelineView(Context context, AttributeSet attributes) {
    super(context, attributes);
  }

  /** Shows a verdict; the consumer hears the second that a finger points to. */
  void show(Verdict verdict, DoubleConsumer onScrub) {
    this.verdict = verdict;
    this.onScrub = onScrub;
    setVisibility(lengthS() > 0 ? VISIBLE : GONE);
    invalidate();
  }

  private double lengthS() {
    Verdict.Timeline timeline = verdict.timeline;
    int steps = Math.max(timeline.video.length, Math.max(timeline.audio.length, timeline.sync.length));
    return steps * timeline.stepS;
  }

  private float x(double seconds) {
    return (float) ((seconds - verdict.timeline.startS) / lengthS() * getWidth());
  }

  @Override
  protected void onDraw(Canvas canvas) {
    if (verdict == null) return;
    paint.setStyle(Paint.Style.FILL);
    for (Verdict.Segment segment : verdict.segments) {
      paint.setColor(getContext().getColor(R.color.audio));
      paint.setAlpha(STRETCH_ALPHA);
      canvas.drawRect(x(segment.startS), 0, x(segment.endS), getHeight(), paint);
    }
    paint.setStyle(Paint.Style.STROKE);
    paint.setStrokeWidth(WIDTH_DP * density);
    curve(canvas, verdict.timeline.video, R.color.video);
    curve(canvas, verdict.timeline.audio, R.color.audio);
    curve(canvas, verdict.timeline.sync, R.color.sync);
    paint.setColor(getContext().getColor(R.color.ink));
    canvas.drawLine(x(at), 0, x(at), getHeight(), paint);
  }

  private void curve(Canvas canvas, double[] scores, int colour) {
    Path path = new Path();
    boolean on = false;
    for (int i = 0; i < scores.length; ++i) {
      boolean there = !Double.isNaN(scores[i]);
      float x = x(verdict.timeline.startS + i * verdict.timeline.stepS);
      float y = (float) ((1 - scores[i]) * getHeight());
      if (there && on) path.lineTo(x, y);
      else if (there) path.moveTo(x, y);
      on = there;
    }
    paint.setColor(getContext().getColor(colour));
    canvas.drawPath(path, paint);
  }

  @Override
  public boolean onTouchEvent(MotionEvent event) {
    if (verdict == null || event.getAction() == MotionEvent.ACTION_CANCEL) return false;
    if (event.getAction() == MotionEvent.ACTION_UP) return performClick();
    getParent().requestDisallowInterceptTouchEvent(true);
    double share = Math.min(1, Math.max(0, event.getX() / getWidth()));
    at = verdict.timeline.startS + share * lengthS();
    onScrub.accept(at);
    invalidate();
    return true;
  }

  @Override
  public boolean performClick() {
    return super.performClick() || true;
  }
}
