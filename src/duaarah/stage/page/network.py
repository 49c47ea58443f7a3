# SPDX-License-Identifier: Apache-2.0
"""
The network of the chosen meter on the stage: cut and mend it, silence its concentrator, let energy go beside the meter.

Only the town is told. The platform has to find out from what its meters say and do not say; each row says where to look.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.models import DailyLoss, QualityDay
from duaarah.net import jsonport
from duaarah.readings.models import DayFile
from duaarah.registry.models import Pairing
from duaarah.stage.page.deeds import Deed, Form, Town

THEFT_WATTS, THEFT_PERCENT = 400, 50
FEEDER, TRANSFORMER, HOUSE, CONCENTRATOR, THEFT = "feeder", "gardu", "rumah-padam", "konsentrator", "curi"


@dataclass(frozen=True)
class Row:
    """What can be done to: `name` with its `code`; `look` and `to`: the page on which the platform shows what it found."""

    key: str
    name: object
    code: str
    button: object
    look: object
    to: str


@dataclass(frozen=True)
class State:
    """How it stands in the town, in a word; `sign` is the chip's colour."""

    word: str
    sign: str


def rows(pairing: Pairing) -> list[Row]:
    """What hangs above the chosen meter, and the meter itself; empty for one without a network."""
    meter, transformer = pairing.meter, pairing.meter.transformer
    if transformer is None or transformer.parent is None:
        return []
    feeder = transformer.parent
    outages, name = reverse("desk-outages"), meter.site.alias if hasattr(meter, "site") else _("the house")
    loss = reverse("desk-losses-node", args=[transformer.pk])
    made = (
        (FEEDER, _("Feeder"), feeder.code, _("Outages"), outages),
        (
            *(TRANSFORMER, _("Transformer"), transformer.code, _("Its page")),
            reverse("desk-transformer", args=[transformer.code]),
        ),
        (HOUSE, _("Supply of"), name, _("The meter's page"), reverse("desk-meter", args=[meter.drn])),
        (CONCENTRATOR, _("Concentrator of"), transformer.code, _("Outages, suspected only"), outages),
        (THEFT, _("Theft at"), name, _("Losses of the transformer, from tomorrow on"), loss),
    )
    return [Row(key, title, code, DEEDS[key].name, look, to) for key, title, code, look, to in made]


def states(pairing: Pairing, town: Town) -> dict[str, State]:
    """How each row stands now; empty while the town does not answer."""
    transformer = pairing.meter.transformer
    if transformer is None or transformer.parent is None:
        return {}
    try:
        now = town("network")
    except jsonport.ControlFailed:
        return {}
    dark, found = set(now["dark"]), {}
    above = [transformer.parent.parent.code] if transformer.parent.parent else []
    for key, code in ((FEEDER, transformer.parent.code), (TRANSFORMER, transformer.code), (HOUSE, pairing.meter.drn)):
        if code in dark:
            found[key] = State(_("cut"), "padam")
        elif dark.intersection(above):
            found[key] = State(_("dark from above"), "padam")
        else:
            found[key] = State(_("supplied"), "nyala")
        above.append(code)
    silent = transformer.code in now["silent"]
    found[CONCENTRATOR] = State(_("silent"), "diam") if silent else State(_("on the air"), "nyala")
    stolen = pairing.meter.drn in now["thefts"]
    found[THEFT] = State(_("energy goes beside the meter"), "habis") if stolen else State(_("none"), "nyala")
    return found


def progress() -> dict[str, int]:
    """Days of quarter-hours in the store, days that are judged, local days with losses: the past takes a while to be counted."""
    return {
        "days": DayFile.objects.filter(layer=DayFile.Layer.RAW).values("day_date").distinct().count(),
        "checked": QualityDay.objects.count(),
        "losses": DailyLoss.objects.filter(superseded_at=None).values("date").distinct().count(),
    }


def _cut(town: Town, code: str) -> str:
    on = code in town("network")["dark"]
    changed = len(town("node_power", node=code, on=on)["changed"])
    if on:
        return _("%(code)s is mended: %(n)d meters have supply again.") % {"code": code, "n": changed}
    return _("%(code)s is cut: %(n)d meters are dark, and the platform is not told.") % {"code": code, "n": changed}


def _feeder(town: Town, pairing: Pairing, form: Form) -> str:
    transformer = pairing.meter.transformer
    return _cut(town, transformer.parent.code) if transformer and transformer.parent else ""


def _transformer(town: Town, pairing: Pairing, form: Form) -> str:
    return _cut(town, pairing.meter.transformer.code) if pairing.meter.transformer else ""


def _house(town: Town, pairing: Pairing, form: Form) -> str:
    drn = pairing.meter.drn
    on = drn in town("network")["dark"]
    town("power", drn=drn, on=on)
    return _("The house is mended.") if on else _("This one house is dark; its neighbours are not.")


def _silence(town: Town, pairing: Pairing, form: Form) -> str:
    transformer = pairing.meter.transformer
    if transformer is None:
        return ""
    silent = transformer.code not in town("network")["silent"]
    count = len(town("silence", node=transformer.code, on=silent)["meters"])
    if silent:
        return _("%(n)d meters are out of reach, with supply as before: that is no outage.") % {"n": count}
    return _("%(n)d meters are heard again, with what they kept meanwhile.") % {"n": count}


def _theft(town: Town, pairing: Pairing, form: Form) -> str:
    drn = pairing.meter.drn
    if drn in town("network")["thefts"]:
        town("theft", drn=drn, on=False)
        return _("All goes through the meter again.")
    town("theft", drn=drn, on=True, watts=THEFT_WATTS, share_percent=THEFT_PERCENT)
    return _("Half of the load and %(n)d W more go beside the meter now.") % {"n": THEFT_WATTS}


DEEDS: dict[str, Deed] = {
    FEEDER: Deed(gettext_lazy("Cut / restore"), _feeder),
    TRANSFORMER: Deed(gettext_lazy("Cut / restore"), _transformer),
    HOUSE: Deed(gettext_lazy("Cut / restore"), _house),
    CONCENTRATOR: Deed(gettext_lazy("Silence / wake"), _silence),
    THEFT: Deed(gettext_lazy("Begin / end"), _theft),
}
