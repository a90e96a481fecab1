// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import org.junit.AfterClass;
import org.junit.BeforeClass;
import org.junit.Test;

/** What the binding refuses, and how it says so. Numbers are avg_status of avguard.h. */
public class ContractTest {
  private static final int INVALID_ARGUMENT = 2;
  private static final int WRONG_ORDER = 3;
  private static final int MODEL_ERROR = 6;
  private static final int RATE_HZ = 16000;
  private static Model model;

  @BeforeClass
  public static void open() throws IOException {
    model = Bundle.open();
  }

  @AfterClass
  public static void close() {
    model.close();
  }

  private static Frame grey(int width, int height) {
    Frame frame = new Frame();
    frame.width = frame.lumaStride = width;
    frame.height = height;
    frame.chromaStride = (width + 1) / 2;
    frame.y = ByteBuffer.allocateDirect(width * height);
    frame.u = ByteBuffer.allocateDirect(frame.chromaStride * ((height + 1) / 2));
    frame.v = ByteBuffer.allocateDirect(frame.u.capacity());
    return frame;
  }

  private static void refuses(int status, String says, org.junit.function.ThrowingRunnable call) {
    AvguardException thrown = assertThrows(AvguardException.class, call);
    assertEquals(thrown.getMessage(), status, thrown.status);
    assertTrue(thrown.getMessage(), thrown.getMessage().contains(says));
  }

  @Test
  public void anAlteredFileOfTheBundleIsRefused() throws IOException {
    Map<String, ByteBuffer> files = Bundle.files();
    ByteBuffer altered = ByteBuffer.allocateDirect(files.get("face_mesh.pte").capacity());
    altered.put(files.get("face_mesh.pte")).put(1000, (byte) ~altered.get(1000));
    files.put("face_mesh.pte", altered);
    refuses(MODEL_ERROR, "face_mesh.pte", () -> Model.open(files, Model.Precision.AUTO));
    files.put("face_mesh.pte", ByteBuffer.allocate(8));
    refuses(INVALID_ARGUMENT, "direct", () -> Model.open(files, Model.Precision.AUTO));
  }

  @Test
  public void framesMustLieInTheirBuffers() {
    try (Session session = model.begin(new ClipOptions())) {
      session.pushFrame(grey(65, 33));
      Frame tall = grey(64, 32);
      tall.height = 33;
      refuses(INVALID_ARGUMENT, "luma buffer", () -> session.pushFrame(tall));
      Frame thin = grey(64, 32);
      thin.v = ByteBuffer.allocateDirect(32 * 16 - 1);
      refuses(INVALID_ARGUMENT, "chroma buffers", () -> session.pushFrame(thin));
      Frame heap = grey(64, 32);
      heap.y = ByteBuffer.allocate(64 * 32);
      refuses(INVALID_ARGUMENT, "direct", () -> session.pushFrame(heap));
      Frame apart = grey(64, 32);
      apart.chromaStep = 2;
      refuses(INVALID_ARGUMENT, "apart", () -> session.pushFrame(apart));
      ByteBuffer few = ByteBuffer.allocateDirect(10);
      refuses(INVALID_ARGUMENT, "samples",
          () -> session.pushAudio(0, Session.SampleFormat.INT16, 1, RATE_HZ, few, 6));
    }
  }

  @Test
  public void aClipWithoutAFaceIsInconclusiveAndASessionServesTheNext() {
    try (Session session = model.begin(new ClipOptions())) {
      for (int round = 0; round < 2; ++round) {
        ByteBuffer tone = ByteBuffer.allocateDirect(2 * RATE_HZ * 2).order(ByteOrder.nativeOrder());
        for (int i = 0; i < 2 * RATE_HZ; ++i) tone.putShort((short) (8000 * Math.sin(0.1 * i)));
        for (int i = 0; i < 50; ++i) {
          Frame frame = grey(64, 48);
          frame.tUs = 40_000L * i;
          session.pushFrame(frame);
        }
        session.pushAudio(0, Session.SampleFormat.INT16, 1, RATE_HZ, tone, 2 * RATE_HZ);
        session.warn("zwölf Bilder fehlen");
        while (session.poll() != null) continue;
        assertNull(session.poll());
        assertTrue(session.faces().isEmpty());
        Verdict verdict = Verdict.of(session.finish());
        assertEquals("inconclusive", verdict.label);
        assertTrue(verdict.reasons.contains("no_face"));
        assertTrue(Double.isNaN(verdict.video));
        assertEquals("zwölf Bilder fehlen", verdict.warnings.get(verdict.warnings.size() - 1));
        refuses(WRONG_ORDER, "", session::finish);
        session.reset();
      }
    }
  }

  @Test
  public void closedMeansClosed() throws IOException {
    Model other = Bundle.open();
    Session session = other.begin(new ClipOptions());
    other.close();
    other.close();
    session.pushFrame(grey(64, 48));
    session.close();
    session.close();
    assertThrows(IllegalStateException.class, session::poll);
    assertThrows(IllegalStateException.class, () -> other.begin(new ClipOptions()));
    assertTrue(Model.version().matches("\\d+\\.\\d+\\.\\d+"));
  }
}
