// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.util.AttributeSet;
import android.view.View;
import org.avguard.Face;

/** The box of the face, over the picture, which is shown whole and centred. */
public final class FaceView extends View {
  private static final float WIDTH_DP = 3;

  private final Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
  private Face face;
  private float width = 1;
  private float height = 1;
  private boolean mirrored;

  public FaceView(Context context, AttributeSet attributes) {
    super(context, attributes);
    paint.setStyle(Paint.Style.STROKE);
    paint.setStrokeWidth(WIDTH_DP * getResources().getDisplayMetrics().density);
    paint.setColor(context.getColor(R.color.box));
  }

  void mirror(boolean mirrored) {
    this.mirrored = mirrored;
  }

  /** Shows a face, or none, of an upright picture of so many pixels. */
  void show(Face face, int width, int height) {
    this.face = face;
    this.width = width;
    this.height = height;
    invalidate();
  }

  @Override
  protected void onDraw(Canvas canvas) {
    if (face == null) return;
    float scale = Math.min(getWidth() / width, getHeight() / height);
    canvas.translate((getWidth() - width * scale) / 2, (getHeight() - height * scale) / 2);
    canvas.scale(scale, scale);
    if (mirrored) canvas.scale(-1, 1, width / 2, 0);
    paint.setStrokeWidth(WIDTH_DP * getResources().getDisplayMetrics().density / scale);
    canvas.drawRect(face.left, face.top, face.right, face.bottom, paint);
  }
}
