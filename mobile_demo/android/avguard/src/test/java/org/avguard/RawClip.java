// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A decoded clip as cpp/examples/camera/make_raw.py writes it: clip.txt, frames.nv12, sound.pcm. */
final class RawClip {
  /** How the same pixels are handed over. */
  enum Layout {
    NV12,
    NV21,
    I420
  }

  private final Path folder;
  private final Layout layout;

  RawClip(Path folder, Layout layout) {
    this.folder = folder;
    this.layout = layout;
  }

  /** Pushes everything, in the order in which it was decoded; answers the verdict's JSON. */
  String judge(Model model) throws IOException {
    List<String> lines = Files.readAllLines(folder.resolve("clip.txt"));
    ClipOptions options = new ClipOptions();
    options.maxFaces = 4;
    options.video = lines.stream().anyMatch(line -> line.startsWith("picture"));
    options.audio = lines.stream().anyMatch(line -> line.startsWith("sound"));
    try (Session session = model.begin(options);
        FileChannel pixels = FileChannel.open(folder.resolve("frames.nv12"));
        FileChannel samples = FileChannel.open(folder.resolve("sound.pcm"))) {
      push(session, lines, pixels, samples);
      return session.finish();
    }
  }

  private void push(Session session, List<String> lines, FileChannel pixels, FileChannel samples) throws IOException {
    Frame frame = null;
    int rateHz = 0;
    for (String line : lines) {
      String[] words = line.split(" ");
      switch (words[0]) {
        case "picture":
          frame = frameOf(words);
          break;
        case "sound":
          rateHz = Integer.parseInt(words[1]);
          break;
        case "frame":
          fill(frame, pixels);
          frame.tUs = Long.parseLong(words[1]);
          session.pushFrame(frame);
          break;
        default:
          int count = Integer.parseInt(words[2]);
          ByteBuffer block = read(samples, 4 * count);
          session.pushAudio(Long.parseLong(words[1]), Session.SampleFormat.FLOAT, 1, rateHz, block, count);
      }
    }
  }

  static Frame frameOf(String[] words) {
    Frame frame = new Frame();
    frame.width = Integer.parseInt(words[1]);
    frame.height = Integer.parseInt(words[2]);
    frame.matrix = Frame.Matrix.values()[Integer.parseInt(words[3])];
    frame.fullRange = words[4].equals("1");
    frame.mirrored = words[5].equals("1");
    frame.rotationDeg = Integer.parseInt(words[6]);
    return frame;
  }

  private void fill(Frame frame, FileChannel pixels) throws IOException {
    int columns = (frame.width + 1) / 2;
    int rows = (frame.height + 1) / 2;
    frame.y = read(pixels, frame.width * frame.height);
    ByteBuffer both = read(pixels, 2 * columns * rows);
    frame.lumaStride = frame.width;
    if (layout == Layout.I420) {
      planar(frame, both, columns * rows);
      frame.chromaStride = columns;
      frame.chromaStep = 1;
    } else {
      if (layout == Layout.NV21) swap(both);
      // Android's two views: each ends with its own last sample.
      ByteBuffer first = view(both, 0, both.capacity() - 1);
      ByteBuffer second = view(both, 1, both.capacity());
      frame.u = layout == Layout.NV12 ? first : second;
      frame.v = layout == Layout.NV12 ? second : first;
      frame.chromaStride = 2 * columns;
      frame.chromaStep = 2;
    }
  }

  private static void planar(Frame frame, ByteBuffer both, int size) {
    frame.u = ByteBuffer.allocateDirect(size);
    frame.v = ByteBuffer.allocateDirect(size);
    for (int i = 0; i < size; ++i) {
      frame.u.put(i, both.get(2 * i));
      frame.v.put(i, both.get(2 * i + 1));
    }
  }

  private static void swap(ByteBuffer both) {
    for (int i = 0; i < both.capacity(); i += 2) {
      byte u = both.get(i);
      both.put(i, both.get(i + 1));
      both.put(i + 1, u);
    }
  }

  private static ByteBuffer view(ByteBuffer whole, int from, int to) {
    ByteBuffer part = whole.duplicate();
    part.position(from).limit(to);
    return part.slice();
  }

  private static ByteBuffer read(FileChannel from, int size) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocateDirect(size);
    while (bytes.hasRemaining() && from.read(bytes) >= 0) continue;
    if (bytes.hasRemaining()) throw new IOException("the raw clip is shorter than clip.txt says");
    return bytes;
  }
}
