"""`sts key` that SIGKILLs itself before its n-th touch of disk or token: `killable_key.py sts key ...`, DIE_AT=n."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from duaarah.cli.main import main
from duaarah.keystore.pkcs11 import PKCS11KeyStore

LEFT = [int(os.environ["DIE_AT"])]


def counted(deed: Callable[..., Any]) -> Callable[..., Any]:
    def dying(*args: Any, **more: Any) -> Any:
        LEFT[0] -= 1
        if LEFT[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return deed(*args, **more)

    return dying


os.fsync = counted(os.fsync)
Path.replace = counted(Path.replace)  # type: ignore[method-assign]
for name in ("_add", "_write", "_destroy_orphans"):
    setattr(PKCS11KeyStore, name, counted(getattr(PKCS11KeyStore, name)))
sys.exit(main(sys.argv[1:]))
