// SPDX-License-Identifier: Apache-2.0
package org.avguard;

/** What a session tells while the clip runs; see avg_event in avguard.h. */
public final class Event {
  /** In the order of avg_event_kind. */
  public enum Kind {
    TRACK_FOUND,
    TRACK_LOST,
    WINDOW_SCORED,
    SEGMENT_OPENED,
    SEGMENT_CLOSED
  }

  /** Numbered from 0; an event that comes again with the same number replaces the one before. */
  public final long number;

  public final Kind kind;

  /** Of the face; -1: sound alone. */
  public final int track;

  /** Index into {@link #scores} of a segment's head; -1 otherwise. */
  public final int head;

  public final long startUs, endUs;

  /** Video, audio, sync, desync: probabilities, NaN where nothing was judged. */
  public final double[] scores;

  Event(long[] whole, double[] scores) {
    number = whole[0];
    kind = Kind.values()[(int) whole[1]];
    track = (int) whole[2];
    head = (int) whole[3];
    startUs = whole[4];
    endUs = whole[5];
    this.scores = scores;
  }
}
