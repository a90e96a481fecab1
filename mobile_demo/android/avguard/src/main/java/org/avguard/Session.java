// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One clip: frames and sound in, events and a verdict out. Calls of several threads wait for each other.
 *
 * <p>Picture and sound may come in any order as long as neither lags two seconds behind the other.
 */
public final class Session implements AutoCloseable {
  private static final int HEADS = 4;
  private static final int MAX_FACES = 4;

  /** How samples are stored, in native byte order. */
  public enum SampleFormat {
    FLOAT,
    INT16
  }

  // The bundle's bytes must outlive the session.
  private final Model model;
  private long handle;

  Session(Model model, long handle) {
    this.model = model;
    this.handle = handle;
  }

  /** Gives a picture; it is copied. Every 0.96 s of clip the model runs inside the call that completes it. */
  public synchronized void pushFrame(Frame frame) {
    Native.pushFrame(open(), frame.tUs, frame.layout(), frame.y, frame.u, frame.v);
  }

  /**
   * Gives interleaved sound in a direct buffer, from its first byte on.
   *
   * @param count samples in each channel
   */
  public synchronized void pushAudio(
      long tUs, SampleFormat format, int channels, int rateHz, ByteBuffer samples, int count) {
    Native.pushAudio(open(), tUs, format.ordinal(), channels, rateHz, samples, count);
  }

  /** Adds a sentence to the verdict's warnings, such as "12 frames were dropped under load". */
  public synchronized void warn(String sentence) {
    Native.warn(open(), sentence.getBytes(StandardCharsets.UTF_8));
  }

  /** The oldest event not polled yet; null when there is none. */
  public synchronized Event poll() {
    long[] whole = new long[6];
    double[] scores = new double[HEADS];
    return Native.poll(open(), whole, scores) ? new Event(whole, scores) : null;
  }

  /** The faces that were looked at last, largest first. */
  public synchronized List<Face> faces() {
    long[] whole = new long[1 + MAX_FACES];
    float[] bounds = new float[4 * MAX_FACES];
    int count = Native.faces(open(), whole, bounds);
    List<Face> found = new ArrayList<>(count);
    for (int i = 0; i < count; ++i) found.add(new Face(bounds, 4 * i, (int) whole[1 + i], whole[0]));
    return found;
  }

  /** Ends the clip and decides; the verdict as JSON, schema avguard.verdict/1. Only once for each clip. */
  public synchronized String finish() {
    return new String(Native.finish(open()), StandardCharsets.UTF_8);
  }

  /** Forgets the clip and begins the next with the same options. */
  public synchronized void reset() {
    Native.resetSession(open());
  }

  /** Frees the session's memory; closing again does nothing. */
  @Override
  public synchronized void close() {
    if (handle != 0) Native.closeSession(handle);
    handle = 0;
  }

  private long open() {
    if (handle == 0) throw new IllegalStateException("the session was closed; begin another one");
    return handle;
  }
}
