# SPDX-License-Identifier: Apache-2.0
"""The town's supply tree as registry rows: nodes with their places and plates, service units, total meters, TMP levels."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from duaarah.analytics.models.tmp import Indicator
from duaarah.analytics.tmp.operations import declare
from duaarah.headend.models import InvocationCounter
from duaarah.headend.ports import MeterKeys
from duaarah.keystore import FileKeyStore
from duaarah.people.models import Organisation, Unit
from duaarah.registry.models import Meter, NetworkNode, NodeMeter
from duaarah.sim.town.network import FEEDER, nodes_of, total_meters_of
from duaarah.sim.town.world import THREE_PHASE, World
from duaarah.wiring.keystores import wrap_meter_keys

# (code, name): a feeder belongs to one of them in turn, and each is below the first.
UP3 = ("UP3-01", "UP3 Contoh")
ULPS = (("ULP-01", "ULP Contoh Barat"), ("ULP-02", "ULP Contoh Timur"))
# Hours and times a month: what a unit publishes for its customers (Permen ESDM 27/2017, 18/2019).
LEVELS = ((Indicator.HOURS, Decimal("2.00")), (Indicator.COUNT, Decimal("3.00")))


def register_nodes(world: World, utility: Organisation) -> dict[str, NetworkNode]:
    """Joining: service units and every node, by code."""
    whole, _ = Unit.objects.get_or_create(organisation=utility, code=utility.code, defaults={"name": utility.name})
    area = Unit.objects.create(organisation=utility, parent=whole, code=UP3[0], name=UP3[1])
    services = [Unit.objects.create(organisation=utility, parent=area, code=code, name=name) for code, name in ULPS]
    found: dict[str, NetworkNode] = {}
    feeders = 0
    for node in nodes_of(world):
        unit = None if node.parent is not None else area
        if node.kind == FEEDER:
            unit = services[feeders % len(services)]
            feeders += 1
        found[node.code] = NetworkNode.objects.create(
            code=node.code,
            kind=node.kind,
            parent=found[node.parent] if node.parent is not None else None,
            unit=unit,
            latitude=node.latitude,
            longitude=node.longitude,
            rated_va=node.rated_va,
            no_load_w=node.no_load_w,
            load_loss_w=node.load_loss_w,
        )
    return found


def register_total_meters(world: World, store: FileKeyStore, nodes: dict[str, NetworkNode], since: datetime) -> None:
    """
    Joining: the meters at the heads of transformers and feeders. They are nobody's and sell nothing: their STS part only
    fills the columns under no key register, and they hang below no transformer, so that no list of customers has them.
    """
    sts = world.meters[0].sts
    for known in total_meters_of(world):
        meter = Meter.objects.create(
            drn=known.drn,
            pan=known.pan,
            profile=THREE_PHASE,
            tariff_group="",
            region="",
            contracted_va=known.rated_va,
            low_credit_threshold_wh=0,
            system_title=known.system_title,
            dlms_keys_wrapped=wrap_meter_keys(store, known.drn, MeterKeys(known.ek, known.ak, known.mk)),
            sts_register="",
            sgc=sts.sgc,
            ti=sts.ti,
            krn=sts.krn,
            kt=sts.kt,
            ken=sts.ken,
            base_date=sts.base_date,
            dkga=sts.dkga,
            ea=sts.ea,
        )
        InvocationCounter.objects.create(meter=meter)
        NodeMeter.objects.create(node=nodes[known.node], meter=meter, valid=(since, None))


def declare_levels(utility: Organisation, since: datetime) -> None:
    """Entries: what the service units declared when the past begins."""
    for unit in Unit.objects.filter(organisation=utility, networknode__isnull=False).distinct():
        for indicator, value in LEVELS:
            declare(
                unit=unit,
                indicator=indicator,
                value=value,
                valid_from_date=since.date().replace(day=1),
                actor="stage",
                now=since,
            )
