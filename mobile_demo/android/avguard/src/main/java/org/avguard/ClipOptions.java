// SPDX-License-Identifier: Apache-2.0
package org.avguard;

/** What a clip will bring; see avg_session_options in avguard.h for the limits. */
public final class ClipOptions {
  /** Whether frames will come. */
  public boolean video = true;

  /** Whether sound will come. */
  public boolean audio = true;

  /** Longest clip in seconds, 1 to 86400. */
  public int maxDurationS = 600;

  /** Faces followed at once, 1 to 4; each takes about 5 MB. */
  public int maxFaces = 1;

  /** Bytes of the largest frame without row padding: width x height x 3 / 2. */
  public long maxFrameBytes = 1920 * 1080 * 3 / 2;
}
