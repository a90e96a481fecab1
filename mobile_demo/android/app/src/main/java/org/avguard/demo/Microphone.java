// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.annotation.SuppressLint;
import android.media.AudioFormat;
import android.media.AudioRecord;
import android.media.AudioTimestamp;
import android.media.MediaRecorder;
import java.io.Closeable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.avguard.Session;

/** Sound of the microphone, each block on the time at which its first sample was taken. */
final class Microphone implements Closeable {
  private static final int RATE_HZ = 48_000;
  private static final int BLOCK_SAMPLES = 2_048;
  private static final int SAMPLE_BYTES = 2;

  private final AudioRecord record;
  private final int timebase;
  private final AudioTimestamp stamp = new AudioTimestamp();
  private volatile boolean closed;

  /** Begins to record; the permission RECORD_AUDIO must be given. */
  @SuppressLint("MissingPermission") // MainActivity asks before there is a source
  Microphone(int timebase) {
    this.timebase = timebase;
    int smallest =
        AudioRecord.getMinBufferSize(RATE_HZ, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT);
    record =
        new AudioRecord(
            // Unprocessed as far as the phone can: noise suppression takes away what is judged.
            MediaRecorder.AudioSource.VOICE_RECOGNITION,
            RATE_HZ,
            AudioFormat.CHANNEL_IN_MONO,
            AudioFormat.ENCODING_PCM_16BIT,
            Math.max(smallest, 8 * BLOCK_SAMPLES * SAMPLE_BYTES));
    record.startRecording();
  }

  void pushUntilClosed(Session session) {
    ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_SAMPLES * SAMPLE_BYTES).order(ByteOrder.nativeOrder());
    long read = 0;
    while (!closed) {
      int bytes = record.read(block, block.capacity());
      if (bytes <= 0) break;
      int count = bytes / SAMPLE_BYTES;
      if (record.getTimestamp(stamp, timebase) == AudioRecord.SUCCESS) {
        long firstNs = stamp.nanoTime + (read - stamp.framePosition) * 1_000_000_000L / RATE_HZ;
        session.pushAudio(firstNs / 1000, Session.SampleFormat.INT16, 1, RATE_HZ, block, count);
      }
      read += count;
    }
    record.release();
  }

  @Override
  public void close() {
    if (!closed) record.stop();
    closed = true;
  }
}
