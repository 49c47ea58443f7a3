# SPDX-License-Identifier: Apache-2.0
"""Settings, URLs, the embedded database, the supervisor: how the platform is put on its feet."""
