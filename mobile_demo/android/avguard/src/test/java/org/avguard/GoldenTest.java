// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.AfterClass;
import org.junit.BeforeClass;
import org.junit.Test;

/** Each clip in the folder that -Davguard.golden names gets the bytes that Python's check printed: verdict.json. */
public class GoldenTest {
  private static Model model;
  private static List<Path> clips;

  @BeforeClass
  public static void open() throws IOException {
    model = Bundle.open();
    try (Stream<Path> folders = Files.list(Paths.get(System.getProperty("avguard.golden")))) {
      clips = folders.sorted().collect(Collectors.toList());
    }
  }

  @AfterClass
  public static void close() {
    model.close();
  }

  @Test
  public void everyVerdictIsPythons() throws IOException {
    assertFalse("no golden clips", clips.isEmpty());
    for (Path clip : clips) {
      String wanted = new String(Files.readAllBytes(clip.resolve("verdict.json")), "UTF-8").trim();
      assertEquals(clip.getFileName().toString(), wanted, new RawClip(clip, RawClip.Layout.NV12).judge(model));
      System.out.println("equal to the byte: " + clip.getFileName() + " " + Verdict.of(wanted).label);
    }
  }

  @Test
  public void planesMayLieInAnyOfAndroidsLayouts() throws IOException {
    Path clip = clips.get(0);
    String wanted = new String(Files.readAllBytes(clip.resolve("verdict.json")), "UTF-8").trim();
    assertEquals(wanted, new RawClip(clip, RawClip.Layout.NV21).judge(model));
    assertEquals(wanted, new RawClip(clip, RawClip.Layout.I420).judge(model));
  }
}
