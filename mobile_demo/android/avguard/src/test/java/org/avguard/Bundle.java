// SPDX-License-Identifier: Apache-2.0
package org.avguard;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.LinkedHashMap;
import java.util.Map;

/** The bundle in the folder that -Davguard.bundle names, mapped. */
final class Bundle {
  private Bundle() {}

  static Map<String, ByteBuffer> files() throws IOException {
    Path folder = Paths.get(System.getProperty("avguard.bundle"));
    Map<String, ByteBuffer> found = new LinkedHashMap<>();
    for (String name : Model.FILES) {
      try (FileChannel file = FileChannel.open(folder.resolve(name))) {
        found.put(name, file.map(MapMode.READ_ONLY, 0, file.size()));
      }
    }
    return found;
  }

  static Model open() throws IOException {
    return Model.open(files(), Model.Precision.AUTO);
  }
}
