# SPDX-License-Identifier: Apache-2.0
"""Many files: a journal that decides what is done, local processes or a Ray cluster that do the rest."""
