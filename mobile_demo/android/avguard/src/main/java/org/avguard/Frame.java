// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.nio.ByteBuffer;

/** A picture in YUV 4:2:0 as Android's cameras and decoders give it: YUV_420_888, in direct buffers. */
public final class Frame {
  /** How YUV stands for colours. */
  public enum Matrix {
    BT601,
    BT709,
    BT2020
  }

  /** Presentation time in microseconds, on one clock with the sound. */
  public long tUs;

  /** As stored, in pixels. */
  public int width, height;

  /** Planes; each begins with the first row's first sample. U and V may be views of one interleaved plane. */
  public ByteBuffer y, u, v;

  /** Bytes from row to row, and from sample to sample within a row of U and V: 1 or 2. */
  public int lumaStride, chromaStride, chromaStep = 1;

  public Matrix matrix = Matrix.BT601;

  /** Luma from 0 to 255, not 16 to 235. */
  public boolean fullRange;

  /** Clockwise turn that makes it upright: 0, 90, 180, 270. */
  public int rotationDeg;

  /** Stored flipped left to right, before the rotation. */
  public boolean mirrored;

  int[] layout() {
    return new int[] {
      width, height, lumaStride, chromaStride, chromaStep, matrix.ordinal(), fullRange ? 1 : 0, rotationDeg,
      mirrored ? 1 : 0
    };
  }
}
