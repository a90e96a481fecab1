// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.media.MediaCodec;
import android.media.MediaCodecInfo;
import android.media.MediaExtractor;
import android.media.MediaFormat;
import android.net.Uri;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/** The decoded pictures or sound of one track of a file, one after the other. */
final class TrackDecoder implements Closeable {
  private static final long WAIT_US = 10_000;

  final MediaFormat track;
  final MediaCodec codec;
  final MediaCodec.BufferInfo info = new MediaCodec.BufferInfo();

  /** Index of the output that info speaks of; -1 before the first and after the last. */
  int output = -1;

  private final MediaExtractor extractor;
  private boolean fed;

  private TrackDecoder(MediaExtractor extractor, MediaFormat track) throws IOException {
    this.extractor = extractor;
    this.track = track;
    codec = MediaCodec.createDecoderByType(track.getString(MediaFormat.KEY_MIME));
  }

  /** The first track whose type begins with "video/" or "audio/", decoding; null when there is none. */
  static TrackDecoder open(Context context, Uri file, String kind) throws IOException {
    MediaExtractor extractor = new MediaExtractor();
    extractor.setDataSource(context, file, null);
    for (int i = 0; i < extractor.getTrackCount(); ++i) {
      MediaFormat track = extractor.getTrackFormat(i);
      if (!String.valueOf(track.getString(MediaFormat.KEY_MIME)).startsWith(kind)) continue;
      extractor.selectTrack(i);
      // Planes that the processor can read, in whichever of the layouts of YUV_420_888.
      if (kind.equals("video/")) {
        track.setInteger(MediaFormat.KEY_COLOR_FORMAT, MediaCodecInfo.CodecCapabilities.COLOR_FormatYUV420Flexible);
      }
      TrackDecoder decoder = new TrackDecoder(extractor, track);
      decoder.codec.configure(track, null, null, 0);
      decoder.codec.start();
      return decoder;
    }
    extractor.release();
    return null;
  }

  /** Goes on to the next output, giving the one before back. False at the end. */
  boolean next() {
    if (output >= 0) codec.releaseOutputBuffer(output, false);
    output = -1;
    while (true) {
      if (!fed) feed();
      int index = codec.dequeueOutputBuffer(info, WAIT_US);
      if (index < 0) continue; // nothing yet, or the format is known now
      boolean last = (info.flags & MediaCodec.BUFFER_FLAG_END_OF_STREAM) != 0;
      if (info.size > 0) {
        output = index;
        return true;
      }
      codec.releaseOutputBuffer(index, false);
      if (last) return false;
    }
  }

  private void feed() {
    int index = codec.dequeueInputBuffer(0);
    if (index < 0) return;
    ByteBuffer room = codec.getInputBuffer(index);
    int size = extractor.readSampleData(room, 0);
    if (size < 0) {
      fed = true;
      codec.queueInputBuffer(index, 0, 0, 0, MediaCodec.BUFFER_FLAG_END_OF_STREAM);
    } else {
      codec.queueInputBuffer(index, 0, size, extractor.getSampleTime(), 0);
      extractor.advance();
    }
  }

  @Override
  public void close() {
    codec.release();
    extractor.release();
  }
}
