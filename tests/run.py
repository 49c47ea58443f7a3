"""Every check of the house, in order; `--quick` leaves out what starts a database or a process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


# What the tests meet that is not ours: Debian's package, and the file by which one sees that it is there.
PEERS = {
    "chromium": "/usr/bin/chromium",
    "openjdk-17-jre-headless": "/usr/bin/java",
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
    "softhsm2": "/usr/bin/softhsm2-util",
}
# Extras that tests compare with, and a module of each by which one sees that it is there.
EXTRAS = {"requirements-oracle.lock": "power_grid_model", "requirements-cluster.lock": "pyspark"}


def install_peers() -> None:
    """In CI what tests need and the machine lacks is installed; elsewhere those tests skip, loudly."""
    missing = [package for package, path in PEERS.items() if not Path(path).exists()]
    if os.environ.get("CI") != "true" or not missing or not shutil.which("apt-get"):
        return
    print(f"-- installing {', '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *missing]):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


def install_extras() -> None:
    """In CI the power-flow oracle and Spark come into the environment; elsewhere what needs them skips, loudly."""
    missing = [lock for lock, module in EXTRAS.items() if importlib.util.find_spec(module) is None]
    if os.environ.get("CI") != "true" or not missing:
        return
    print(f"-- installing {', '.join(missing)}", flush=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
    ]
    for lock in missing:
        subprocess.run([*pip, "-r", str(ROOT / lock)], stderr=subprocess.DEVNULL, check=False)


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    rest = [argument for argument in sys.argv[1:] if argument != "--quick"]
    if not quick:
        install_peers()
        install_extras()
    sys.path.insert(0, str(ROOT / "src"))
    from duaarah.project.assets import ensure

    ready = ensure(ROOT, lambda text: print(f"-- {text}", flush=True))
    if not ready and os.environ.get("CI") == "true":
        print("The page assets are required in CI.", flush=True)
        return 1
    checks = [
        [str(BIN / "ruff"), "check", "src", "tests"],
        [str(BIN / "ruff"), "format", "--check", "src", "tests"],
        [str(BIN / "mypy")],
        [str(BIN / "lint-imports")],
        [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "2",
            "--dist",
            "loadscope",
            "--no-loadscope-reorder",
            *(["-m", "not slow"] if quick else []),
            *rest,
        ],
    ]
    failed = []
    for command in checks:
        name = Path(command[0]).name if "pytest" not in command else "pytest"
        print(f"-- {name}", flush=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
