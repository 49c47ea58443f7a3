"""Reports by e-mail on their page and as letters: what they say, what is attached, how one gets and ends them."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from openpyxl import load_workbook
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn
from tests.web.pages.test_nodes import facts
from tests.web.pages.test_nodes import node as node  # a fixture

from duaarah.analytics.models.losses import DailyLoss
from duaarah.clock.queries import now
from duaarah.people.models import Login, Organisation, Unit
from duaarah.registry.models import NetworkNode
from duaarah.reports.models import Issue, Subscription
from duaarah.web.utility.report_documents import month
from duaarah.workers.chores_reports import run_reports

pytestmark = pytest.mark.slow
PAGE = "/operasi/laporan/"
FORM = {"report": "MORNING", "rhythm": "DAILY", "hour": "6", "weekday": "0", "unit": "", "email": "melati@pln.example"}


@pytest.fixture(autouse=True)
def mailing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAIL_SERVER", True)
    monkeypatch.setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.locmem.EmailBackend")
    mail.outbox = []


def tried(client: Client, **changed: str) -> mail.EmailMultiAlternatives:
    """A report that was subscribed to and sent for a trial."""
    client.post(f"{PAGE}baru/", {**FORM, **changed})
    client.post(f"{PAGE}{Subscription.objects.latest('pk').pk}/coba/")
    run_reports()
    assert Issue.objects.latest("pk").state == "SENT", list(Issue.objects.latest("pk").attempts.values())
    letter = mail.outbox[-1]
    assert isinstance(letter, mail.EmailMultiAlternatives)
    return letter


def test_subscribed_tried_seen_and_ended(sign_in: SignIn, town: Town, household: House) -> None:
    client = sign_in("pln")
    assert "You get no report yet" in client.get(PAGE).content.decode()
    letter = tried(client)
    page = client.get(PAGE).content.decode()
    for words in (
        "The grid this morning",
        "every day",
        "06.00",
        "melati@pln.example",
        "taken by the mail server",
        "trial",
    ):
        assert words in page, words
    link = re.search(r"<(http\S+)>", letter.extra_headers["List-Unsubscribe"])
    assert link is not None and letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = link[1].removeprefix(settings.PUBLIC_URL)
    assert path in letter.body and path in str(letter.alternatives[0][0])
    stranger = Client(headers={"accept-language": "en"}, enforce_csrf_checks=True)
    assert "Do you want no more of it?" in stranger.get(path).content.decode()
    assert Subscription.objects.get().ended_at is None
    assert "Nothing more is sent." in stranger.post(path).content.decode()
    assert Subscription.objects.get().ended_by == "link"
    assert stranger.get(path[:-3] + "xx/").status_code == 404
    assert "You get no report yet" in client.get(PAGE).content.decode()


def test_wrong_words_and_anothers_report(sign_in: SignIn, household: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in("pln")
    for changed in ({"email": "x"}, {"hour": "x"}, {"report": ""}, {"unit": "99"}):
        assert "Nothing was changed" in client.post(f"{PAGE}baru/", {**FORM, **changed}, follow=True).content.decode()
    other = Login.objects.create_user("other")
    when = {"next_due_at": now(), "created_at": now(), "hour": 1}
    theirs = Subscription.objects.create(
        login=other, email="o@x.example", report="LOSSES", rhythm="DAILY", language="id", **when
    )
    assert (
        client.post(f"{PAGE}{theirs.pk}/coba/").status_code
        == client.post(f"{PAGE}{theirs.pk}/akhiri/").status_code
        == 404
    )
    assert "o@x.example" not in client.get(PAGE).content.decode()
    client.post(f"{PAGE}baru/", FORM)
    own = Subscription.objects.latest("pk")
    assert "goes to this address already" in client.post(f"{PAGE}baru/", FORM, follow=True).content.decode()
    monkeypatch.setattr(settings, "MAIL_SERVER", False)
    assert "No mail server is set" in client.post(f"{PAGE}{own.pk}/coba/", follow=True).content.decode()
    assert not Issue.objects.exists()
    client.post(f"{PAGE}{own.pk}/akhiri/")
    own.refresh_from_db()
    assert own.ended_at is not None


def test_an_empty_grid_makes_each_report_all_the_same(sign_in: SignIn, household: House) -> None:
    for report, words in (
        ("MORNING", "No meter is known to be without supply"),
        ("RELIABILITY", "0 of 15 days are counted."),
        ("LOSSES", "No loss of a whole day has been counted yet."),
    ):
        letter = tried(sign_in("pln"), report=report)
        assert words in letter.body and words in str(letter.alternatives[0][0]) and "No interval data" in letter.body


def test_the_morning_says_what_is_low_and_loaded_in_all_its_forms(
    sign_in: SignIn, town: Town, household: House, node: NetworkNode
) -> None:
    facts(node, household.meter)
    letter = tried(sign_in("pln"))
    html = str(letter.alternatives[0][0])
    for words in ("Gardu Melati", "193.2", "109", "27.3", "1 of 1 are above their rating."):
        assert words in letter.body and words in html, words
    pdf, xlsx = letter.attachments
    assert pdf[0] == "jaringan-2026-02-16.pdf" and pdf[1].startswith(b"%PDF-")
    book = load_workbook(io.BytesIO(xlsx[1]))
    loaded = next(sheet for sheet in book.worksheets if sheet.title.startswith("Most loaded"))
    assert list(loaded.values)[1] == ("Gardu Melati", "109", "27.3")
    assert letter.subject == "The grid this morning · Whole utility"


def test_a_units_report_is_of_that_unit_alone(sign_in: SignIn, household: House, node: NetworkNode) -> None:
    facts(node, household.meter)
    organisation = Organisation.objects.create(code="wilayah", name="Wilayah", kind="UTILITY")
    units = [Unit.objects.create(organisation=organisation, code=name, name=f"Unit {name}") for name in "AB"]
    NetworkNode.objects.filter(code="P-1").update(unit=units[0])
    NetworkNode.objects.create(code="T-B", kind="TRANSFORMER", unit=units[1])
    own = tried(sign_in("pln"), unit=str(units[0].pk))
    assert "Gardu Melati" in own.body and "Unit A" in own.subject
    other = tried(sign_in("pln"), unit=str(units[1].pk))
    assert "Gardu Melati" not in other.body and "0 of 0 are above" in other.body


def test_losses_of_the_week_sum_days_with_a_verdict(sign_in: SignIn, household: House, node: NetworkNode) -> None:
    date = now().date() - dt.timedelta(days=1)
    for back in range(4):
        refused = back == 3
        DailyLoss.objects.create(
            date=date - dt.timedelta(days=back), node=node, kind="TRANSFORMER", input_wh=100_000, delivered_wh=90_000,
            technical_wh=4_000, ntl_wh=None if refused else 6_000, ntl_low_wh=5_000, ntl_high_wh=7_000, ntl_noise_wh=1_000,
            completeness=0.9 if refused else 1, refusal="incomplete" if refused else "", meters=3, meters_known=3, source="x",
            version=1, computed_at=now(),
        )  # fmt: skip
    letter = tried(sign_in("pln"), report="LOSSES", rhythm="WEEKLY")
    # Three days of 6 kWh, each 1 kWh to either side of its own: the sum's half-width is the root of three.
    told = "Days: 3/4; Input (kWh): 300; Loss (%): 10.00; Technical (kWh): 12.0; Non-technical (kWh): 18.0;"
    assert f"{told} 80 % interval: 16.3 to 19.7" in letter.body
    assert "never a proof" in letter.body and "1 transformers have a verdict" in letter.body


@pytest.mark.parametrize(("due", "name", "days"), [
    ("2026-03-01T06:00+07:00", "keandalan-2026-02", 28), ("2026-03-02T06:00+07:00", "keandalan-2026-03", 1),
    ("2026-01-01T00:00+07:00", "keandalan-2025-12", 31), ("2026-02-16T06:00+07:00", "keandalan-2026-02", 15),
])  # fmt: skip
def test_on_the_first_the_month_before_is_whole(household: House, due: str, name: str, days: int) -> None:
    due_at = dt.datetime.fromisoformat(due)
    document = month(None, due_at, due_at)
    (chart,) = [section.chart for section in document.sections if section.chart is not None]
    assert document.name == name and len(chart.positions) == days
