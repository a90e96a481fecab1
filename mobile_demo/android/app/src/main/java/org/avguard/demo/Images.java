// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.graphics.Rect;
import android.media.Image;
import android.media.MediaFormat;
import java.nio.ByteBuffer;
import org.avguard.Frame;

/** Android's YUV_420_888 pictures as avguard's frames, without a copy. */
final class Images {
  private static final int HD_HEIGHT_PX = 720;

  private Images() {}

  /** Points the frame at the picture's planes, cut to its visible part. */
  static void fill(Frame frame, Image image) {
    Rect visible = image.getCropRect();
    Image.Plane[] planes = image.getPlanes();
    frame.width = visible.width();
    frame.height = visible.height();
    frame.y = from(planes[0], visible.left, visible.top);
    frame.u = from(planes[1], visible.left / 2, visible.top / 2);
    frame.v = from(planes[2], visible.left / 2, visible.top / 2);
    frame.lumaStride = planes[0].getRowStride();
    frame.chromaStride = planes[1].getRowStride();
    frame.chromaStep = planes[1].getPixelStride();
  }

  private static ByteBuffer from(Image.Plane plane, int column, int row) {
    ByteBuffer bytes = plane.getBuffer().duplicate();
    bytes.position(row * plane.getRowStride() + column * plane.getPixelStride());
    return bytes.slice();
  }

  /** What the decoder says of colours; where it says nothing, what players take for the size. */
  static void colours(Frame frame, MediaFormat format, int width, int height) {
    int standard = format.getInteger(MediaFormat.KEY_COLOR_STANDARD, 0);
    boolean hd = Math.min(width, height) >= HD_HEIGHT_PX;
    if (standard == MediaFormat.COLOR_STANDARD_BT2020) frame.matrix = Frame.Matrix.BT2020;
    else if (standard == MediaFormat.COLOR_STANDARD_BT709 || (standard == 0 && hd)) frame.matrix = Frame.Matrix.BT709;
    else frame.matrix = Frame.Matrix.BT601;
    frame.fullRange = format.getInteger(MediaFormat.KEY_COLOR_RANGE, 0) == MediaFormat.COLOR_RANGE_FULL;
  }
}
