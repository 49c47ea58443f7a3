"""A key ceremony as people type it: the command line with its secrets by environment, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PASSPHRASE = "passphrase-of-the-file"
OPERATORS = {"ani": "passphrase-of-ani", "budi": "passphrase-of-budi", "citra": "passphrase-of-citra"}
PARTS = {
    "ani": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    "budi": "f1f1f1f1f1f1f1f1cececececececece5b791f3d",
}
KEY = "abababababababab949494949494949401234567"
TERMS = ("--dkga", "04", "--sgc", "201457", "--krn", "1")


class House:
    """One database, one key file, and every secret that must not be seen."""

    def __init__(self, database: str, folder: Path, more: dict[str, str] | None = None) -> None:
        self.path = folder / "keys"
        self.secrets = [PASSPHRASE, KEY, *OPERATORS.values(), *PARTS.values()]
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "DUAARAH_DATABASE_URL": database,
            "DUAARAH_KEYSTORE": str(self.path),
            "DUAARAH_KEYSTORE_PASSPHRASE": PASSPHRASE,
            "DUAARAH_KEYSTORE_NEW_PASSPHRASE": PASSPHRASE + "-2",
            "DUAARAH_LOG_LEVEL": "DEBUG",
            **{f"DUAARAH_OPERATOR_PASSPHRASE_{name.upper()}": word for name, word in OPERATORS.items()},
            **(more or {}),
        }
        if pin := (more or {}).get("DUAARAH_PKCS11_PIN"):
            self.secrets.append(pin)

    def key(self, *arguments: str, stdin: str = "", program: tuple[str, ...] = (), **more: Any) -> tuple[int, str, str]:
        """`sts key ARGUMENTS`; status, stdout, stderr, in none of which a secret stands."""
        environment = {**self.environment, **more.pop("env", {})}
        command = [sys.executable, *(program or ("-m", "duaarah")), "sts", "key", *arguments]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, check=False, **more
        )
        for secret in self.secrets:
            assert secret not in done.stdout + done.stderr, "a secret was printed"
        return done.returncode, done.stdout, done.stderr

    def done(self, *arguments: str, stdin: str = "", **more: Any) -> list[dict[str, Any]]:
        """The records of a verb that succeeds."""
        status, out, error = self.key(*arguments, stdin=stdin, **more)
        assert status == 0, error
        return [json.loads(line) for line in out.splitlines()]

    def prepared(self) -> None:
        """A key file with two operators who gave the two components of `pln`."""
        self.done("new")
        for name in ("ani", "budi"):
            self.done("operator", name)
        self.done("component", "pln", "--custodian", "ani", "--of", "2", *TERMS, stdin=PARTS["ani"])
        self.done("component", "pln", "--custodian", "budi", stdin=PARTS["budi"])
