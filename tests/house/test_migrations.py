"""The models are what the migrations make."""

from __future__ import annotations

import io

import pytest
from django.apps import apps
from django.core.management import call_command

pytestmark = pytest.mark.slow


def test_no_model_is_without_its_migration(database: str) -> None:
    ours = [c.label for c in apps.get_app_configs() if c.name.startswith("duaarah.")]
    said = io.StringIO()
    try:
        call_command("makemigrations", *ours, check=True, dry_run=True, stdout=said)
    except SystemExit as error:
        raise AssertionError(said.getvalue()) from error
