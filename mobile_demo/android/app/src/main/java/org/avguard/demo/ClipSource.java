// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.media.AudioFormat;
import android.media.Image;
import android.media.MediaFormat;
import android.net.Uri;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.avguard.ClipOptions;
import org.avguard.Frame;
import org.avguard.Model;
import org.avguard.Session;

/** A file, decoded by MediaCodec, on the file's own timestamps. */
final class ClipSource implements Source {
  private static final int ROUNDING_UP_S = 5;

  private final Context context;
  private final Uri file;

  ClipSource(Context context, Uri file) {
    this.context = context;
    this.file = file;
  }

  @Override
  public String judge(Model model, Listener listener) throws IOException {
    try (TrackDecoder video = TrackDecoder.open(context, file, "video/");
        TrackDecoder audio = TrackDecoder.open(context, file, "audio/")) {
      if (video == null && audio == null) throw new IOException("This file has neither a picture nor sound.");
      try (Session session = model.begin(options(video, audio))) {
        push(session, video, audio, listener);
        return session.finish();
      }
    }
  }

  @Override
  public void stop() {} // A file ends by itself.

  private static ClipOptions options(TrackDecoder video, TrackDecoder audio) {
    ClipOptions options = new ClipOptions();
    options.video = video != null;
    options.audio = audio != null;
    MediaFormat track = (video != null ? video : audio).track;
    long seconds = track.containsKey(MediaFormat.KEY_DURATION) ? track.getLong(MediaFormat.KEY_DURATION) / 1_000_000 : 0;
    options.maxDurationS = (int) Math.max(options.maxDurationS, seconds + ROUNDING_UP_S);
    if (video != null) {
      long width = video.track.getInteger(MediaFormat.KEY_WIDTH) + 1;
      long height = video.track.getInteger(MediaFormat.KEY_HEIGHT) + 1;
      options.maxFrameBytes = width * height * 3 / 2;
    }
    return options;
  }

  /** Whichever is behind goes first: neither may lag two seconds. */
  private static void push(Session session, TrackDecoder video, TrackDecoder audio, Listener listener) {
    boolean seeing = video != null && video.next();
    boolean hearing = audio != null && audio.next();
    while (seeing || hearing) {
      if (seeing && (!hearing || video.info.presentationTimeUs <= audio.info.presentationTimeUs)) {
        listener.looked(session, pushFrame(session, video));
        seeing = video.next();
      } else {
        pushSound(session, audio);
        hearing = audio.next();
      }
    }
  }

  private static Frame pushFrame(Session session, TrackDecoder video) {
    try (Image image = video.codec.getOutputImage(video.output)) {
      if (image == null) throw new IllegalStateException("The decoder gives no YUV pictures of this file.");
      Frame frame = new Frame();
      Images.fill(frame, image);
      Images.colours(frame, video.codec.getOutputFormat(), frame.width, frame.height);
      frame.tUs = video.info.presentationTimeUs;
      frame.rotationDeg = video.track.getInteger(MediaFormat.KEY_ROTATION, 0);
      session.pushFrame(frame);
      return frame;
    }
  }

  private static void pushSound(Session session, TrackDecoder audio) {
    MediaFormat format = audio.codec.getOutputFormat();
    int encoding = format.getInteger(MediaFormat.KEY_PCM_ENCODING, AudioFormat.ENCODING_PCM_16BIT);
    boolean whole = encoding == AudioFormat.ENCODING_PCM_16BIT;
    int channels = format.getInteger(MediaFormat.KEY_CHANNEL_COUNT);
    ByteBuffer samples = audio.codec.getOutputBuffer(audio.output);
    samples.position(audio.info.offset);
    session.pushAudio(
        audio.info.presentationTimeUs,
        whole ? Session.SampleFormat.INT16 : Session.SampleFormat.FLOAT,
        channels,
        format.getInteger(MediaFormat.KEY_SAMPLE_RATE),
        samples.slice(),
        audio.info.size / channels / (whole ? 2 : 4));
  }
}
