// SPDX-License-Identifier: Apache-2.0
package org.avguard;

/** A face for drawing: bounds in pixels of the upright frame, and when it was seen. */
public final class Face {
  public final float left, top, right, bottom;
  public final int track;
  public final long tUs;

  Face(float[] bounds, int at, int track, long tUs) {
    left = bounds[at];
    top = bounds[at + 1];
    right = bounds[at + 2];
    bottom = bounds[at + 3];
    this.track = track;
    this.tUs = tUs;
  }
}
