"""The real links worker, of one bind (DUAARAH_TEST_BIND) or of all, which kills itself at the point that a test has armed."""

from __future__ import annotations

import os
import sys

from tests.flows.killable import surround
from tests.interop.conftest import PASSWORD


def main() -> int:
    from duaarah.project.start import setup

    setup("worker-links")
    from duaarah.workers import links, links_rows, links_sql

    # The one thing that is not real: the password comes without a key store.
    links_rows.unwrap_bind_password = lambda name, wrapped: PASSWORD  # type: ignore[assignment]
    if name := os.environ.get("DUAARAH_TEST_BIND"):
        links_sql.BINDS = f"SELECT * FROM sms_bind WHERE active AND name = '{name}'"
    surround("links")
    return links.main()


if __name__ == "__main__":
    sys.exit(main())
