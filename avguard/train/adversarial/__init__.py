# SPDX-License-Identifier: Apache-2.0
"""How far the verdict moves when somebody pushes: small perturbations made with the gradient, and plain laundering."""
