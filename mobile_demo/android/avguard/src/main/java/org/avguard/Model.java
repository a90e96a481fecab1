// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.nio.ByteBuffer;
import java.util.Map;

/** A verified model bundle. Any number of sessions and threads may use one; see avg_model_open in avguard.h. */
public final class Model implements AutoCloseable {
  /** What of a bundle a phone needs; the other files may be left out of the app. */
  public static final String[] FILES = {
    "manifest.json", "self_test.json", "face_detector.pte", "face_mesh.pte", "joint_int8.pte", "joint_fp32.pte"
  };

  /** Which of the joint programs is run; AUTO: int8 where this CPU multiplies it faster. */
  public enum Precision {
    AUTO,
    FLOAT,
    INT8
  }

  // The core reads these while a session is open; sessions hold the model.
  private final ByteBuffer[] files;
  private long handle;

  private Model(ByteBuffer[] files, long handle) {
    this.files = files;
    this.handle = handle;
  }

  /**
   * Opens a bundle.
   *
   * @param files bytes by file name as in {@link #FILES}, in direct buffers that stay unchanged, such as mapped files
   * @throws AvguardException when the bundle is incomplete, altered or made for another version
   */
  public static Model open(Map<String, ByteBuffer> files, Precision precision) {
    String[] names = files.keySet().toArray(new String[0]);
    ByteBuffer[] bytes = files.values().toArray(new ByteBuffer[0]);
    return new Model(bytes, Native.openModel(names, bytes, precision.ordinal()));
  }

  /** Version of the core, such as "0.1.0". */
  public static String version() {
    return Native.version();
  }

  /**
   * Begins a clip.
   *
   * @param clip what will come; a session refuses what was not announced
   * @throws AvguardException when an option makes no sense or memory is short
   */
  public synchronized Session begin(ClipOptions clip) {
    if (handle == 0) throw new IllegalStateException("the model was closed; open it again");
    return new Session(
        this,
        Native.openSession(
            handle, clip.video, clip.audio, clip.maxDurationS, clip.maxFaces, clip.maxFrameBytes));
  }

  /** Frees the model once the last session is closed too. */
  @Override
  public synchronized void close() {
    if (handle != 0) Native.closeModel(handle);
    handle = 0;
  }
}
