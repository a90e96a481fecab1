// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import java.io.IOException;
import org.avguard.Frame;
import org.avguard.Model;
import org.avguard.Session;

/** Where a clip comes from. */
interface Source {
  /** Hears of every picture that was pushed, on the thread that pushes. */
  interface Listener {
    void looked(Session session, Frame frame);
  }

  /** Pushes a whole clip; answers the verdict's JSON. Blocks: not for the screen's thread. */
  String judge(Model model, Listener listener) throws IOException;

  /** Ends a clip that has no end of its own. */
  void stop();
}
