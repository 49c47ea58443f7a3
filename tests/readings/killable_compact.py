"""Compacts in a process that kills itself at the Nth time of a named point: `-m tests.readings.killable_compact POINT N`."""

from __future__ import annotations

import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")


def main(point: str, number: int) -> None:
    django.setup()
    from duaarah.readings.days import compact

    left = number

    def step(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    compact(open_too=True, step=step)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
