// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.nio.ByteBuffer;

/** The functions of libavguard_jni.so, on handles; see cpp/jni_*.c. Whoever calls them keeps the handles valid. */
final class Native {
  private Native() {}

  static {
    System.loadLibrary("avguard_jni");
  }

  static native String version();

  static native long openModel(String[] names, ByteBuffer[] files, int precision);

  static native void closeModel(long model);

  static native long openSession(
      long model, boolean video, boolean audio, int maxDurationS, int maxFaces, long maxFrameBytes);

  static native void closeSession(long session);

  static native void resetSession(long session);

  static native void pushFrame(long session, long tUs, int[] layout, ByteBuffer y, ByteBuffer u, ByteBuffer v);

  static native void pushAudio(
      long session, long tUs, int format, int channels, int rateHz, ByteBuffer samples, int count);

  static native void warn(long session, byte[] utf8);

  static native boolean poll(long session, long[] whole, double[] scores);

  static native int faces(long session, long[] whole, float[] bounds);

  static native byte[] finish(long session);
}
