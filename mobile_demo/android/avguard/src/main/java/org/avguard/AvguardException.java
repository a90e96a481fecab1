// SPDX-License-Identifier: Apache-2.0
package org.avguard;

/** A call of avguard failed. The message says what happened, why, and the next step. */
public final class AvguardException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** The avg_status of avguard.h. */
  public final int status;

  AvguardException(int status, String message) {
    super(message);
    this.status = status;
  }
}
