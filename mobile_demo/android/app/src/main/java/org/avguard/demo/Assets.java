// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.LinkedHashMap;
import java.util.Map;
import org.avguard.Model;

/** The bundle inside the app, mapped: it takes no memory of its own. */
final class Assets {
  private Assets() {}

  static Model open(Context context) throws IOException {
    Map<String, ByteBuffer> files = new LinkedHashMap<>();
    for (String name : Model.FILES) {
      // build.gradle.kts leaves these uncompressed, so each lies in the package as it is.
      try (AssetFileDescriptor file = context.getAssets().openFd("default/" + name);
          FileChannel bytes = file.createInputStream().getChannel()) {
        files.put(name, bytes.map(FileChannel.MapMode.READ_ONLY, file.getStartOffset(), file.getLength()));
      }
    }
    return Model.open(files, Model.Precision.AUTO);
  }
}
