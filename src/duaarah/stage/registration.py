# SPDX-License-Identifier: Apache-2.0
"""The seeded world as registry rows: what a utility would have entered before the day begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.core.smsplan import DAILY_SMS
from duaarah.core.sts import KeyRegister, luhn_digit
from duaarah.headend.models import InvocationCounter
from duaarah.headend.ports import MeterKeys
from duaarah.keystore import FileKeyStore
from duaarah.people.models import AccountHolder, Customer, Organisation
from duaarah.people.operations import set_pin
from duaarah.registry.models import CatalogueItem, CataloguePrice, Meter, Modem, NetworkNode, Sim, Site
from duaarah.registry.operations import pair
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.network import phases_of
from duaarah.sim.town.packages import Bought, package_of, reporting_of
from duaarah.sim.town.world import CHANNEL, NEXT_KRN, NEXT_REGISTER, REGISTER, START, Holder, TownMeter, World
from duaarah.sms.models import Bind, PackagePlan, RecordFormat, Subscription
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.operations import PARTS, Share, Terms, write_terms
from duaarah.stage.network import declare_levels, register_nodes, register_total_meters
from duaarah.vending.models import Channel
from duaarah.vending.operations import fill_wallet
from duaarah.wiring.keystores import wrap_bind_password, wrap_channel_secret, wrap_meter_keys

SHORT_CODES = ["3123", "8123"]
STOCK_SIMS = 12
DAILY_TERMS = Terms(
    token_sms=0,
    fault_sms=0,
    meter_fault_sms=0,
    data_sms=DAILY_SMS,
    block_days=(),
    package_price_idr=11_000,
    daily_summary=True,
)
# Of 10,000 the mobile operator's, invented: the SMS and extras are his, the Rp200 above them are the data operator's by
# three quarters, a premium inquiry is shared.
SHARES = {"SMS": 10_000, "MARGIN": 2_500, "EXTRA": 10_000, "INQUIRY": 6_000}
CATALOGUE = (
    ("MODEM-1F", CatalogueItem.Kind.MODEM, "Modem 1 fasa", None, 250_000),
    ("MODEM-3F", CatalogueItem.Kind.MODEM, "Modem 3 fasa", None, 400_000),
    ("SMS-28", CatalogueItem.Kind.PACKAGE, "Paket 28 SMS", 28, 10_000),
)


@dataclass(frozen=True, slots=True)
class Hangs:
    """Where a meter hangs; of three phases the phase is empty."""

    transformer: NetworkNode
    phase: str


def make_keys(world: World, path: Path, passphrase: str) -> FileKeyStore:
    """The platform's key file for this town: the key that its meters have, and the next one to change to."""
    store = FileKeyStore.create(path, passphrase)
    sts = world.meters[0].sts
    for name, krn, key in ((REGISTER, sts.krn, world.vending_key), (NEXT_REGISTER, NEXT_KRN, world.next_vending_key)):
        register = KeyRegister(
            register_id=name, dkga=sts.dkga, sgc=sts.sgc, krn=krn, kt=sts.kt, ken=sts.ken, base_date=sts.base_date
        )
        store.add(register, key)
    return store


def register_world(
    world: World, store: FileKeyStore, *, host: str, port: int, user: str, password: str, since_us: int = 0
) -> None:
    """
    Organisations, the bind, channels, holders with filled wallets, the supply tree, meters and their pairings.

    `since_us`: the town instant at which SIMs, modems and phones were paired (a past begins before START).
    """
    with transaction.atomic():
        for register in store.registers():
            # The town's keys are drawn, not brought by custodians: the record says so.
            subject, detail = register.register_id, {"sgc": register.sgc, "krn": register.krn, "ken": register.ken}
            audit.record(at=START, actor="stage", verb="keystore.add", subject=subject, reason="demo", detail=detail)
        utility = Organisation.objects.create(code="PLN", name="PLN", kind=Organisation.Kind.UTILITY)
        data_operator = Organisation.objects.create(
            code="DATAOP", name="Operator Data", kind=Organisation.Kind.DATA_OPERATOR
        )
        operator = Organisation.objects.create(
            code="OPSEL", name="Operator Selular", kind=Organisation.Kind.MOBILE_OPERATOR
        )
        Bind.objects.create(
            name="opsel-1",
            operator=operator,
            host=host,
            port=port,
            system_id=user,
            password_wrapped=wrap_bind_password(store, "opsel-1", password),
            address_range="^(3123|8123)$",
            short_codes=SHORT_CODES,
            window=50,
        )
        Channel.objects.create(code="SMS", name="SMS 3123", kind=Channel.Kind.WALLET)
        Channel.objects.create(code="WEB", name="Web", kind=Channel.Kind.WALLET)
        Channel.objects.create(
            code=CHANNEL,
            name="ATM",
            kind=Channel.Kind.ELSEWHERE,
            secret_wrapped=wrap_channel_secret(store, CHANNEL, world.channel_secret),
        )
        holders = {holder: _holder(holder) for holder in world.holders}
        nodes, phases = register_nodes(world, utility), phases_of(world)
        for meter in world.meters:
            hangs = Hangs(nodes[meter.place.transformer], phases[meter.drn])
            _meter(world, meter, holders[meter.holder], hangs, store, operator, instant_of(since_us))
        register_total_meters(world, store, nodes, instant_of(since_us))
        _stock(operator, instant_of(since_us))
        _sell_packages(world, operator, data_operator, instant_of(since_us))
    declare_levels(utility, instant_of(since_us))
    for known, holder in holders.items():
        if known.wallet_idr:
            fill_wallet(holder=holder, amount_idr=known.wallet_idr, reference=f"opening:{holder.pk}", now=START)


def _stock(operator: Organisation, since: datetime) -> None:
    """SIMs in the data operator's drawer, one of them active by mistake, and what it sells, at invented prices."""
    for number in range(STOCK_SIMS):
        payload = f"896298{number + 1:012d}"
        state = Sim.State.ACTIVE if number == 0 else Sim.State.IN_STOCK
        Sim.objects.create(
            iccid=payload + luhn_digit(payload),
            msisdn=f"6280000900{number:04d}",
            operator=operator,
            state=state,
            state_at=since,
        )
    for code, kind, name, segments, amount_idr in CATALOGUE:
        item = CatalogueItem.objects.create(code=code, kind=kind, name=name, segments_monthly=segments)
        CataloguePrice.objects.create(
            item=item, amount_idr=amount_idr, valid_from_date=since.date(), set_at=since, set_by="stage"
        )


def _sell_packages(world: World, operator: Organisation, data_operator: Organisation, since: datetime) -> None:
    """The two-way package and the daily-data package on top, each meter's from its first month on."""
    month_date = package_month(since)
    base, daily = (
        PackagePlan.objects.create(code=code, name=name, slot=slot, operator=operator, data_operator=data_operator)
        for code, name, slot in (
            ("DUA-28", "Paket dua arah 28 SMS", PackagePlan.Slot.BASE),
            ("DATA-HARIAN", "Data harian", PackagePlan.Slot.DATA),
        )
    )
    shares = [
        Share(of=of, party=party, parts=parts)
        for of, parts_of in SHARES.items()
        for party, parts in ((operator, parts_of), (data_operator, PARTS - parts_of))
        if parts
    ]
    for plan, terms in ((base, Terms()), (daily, DAILY_TERMS)):
        write_terms(plan=plan, valid_from_date=month_date, terms=terms, shares=shares, now=since)
    meter_ids = dict(Meter.objects.values_list("drn", "pk"))
    sold = [(meter, package_of(world.seed, meter)) for meter in world.meters]
    rows = [(meter, base) for meter, bought in sold if bought is not Bought.NOTHING]
    rows += [(meter, daily) for meter, bought in sold if bought is Bought.DAILY]
    Subscription.objects.bulk_create(
        Subscription(meter_id=meter_ids[meter.drn], plan=plan, slot=plan.slot, valid=(month_date, None))
        for meter, plan in rows
    )
    for plan in (base, daily):
        count = sum(bought is plan for _, bought in rows)
        audit.record(
            at=since,
            actor="stage",
            verb="sms.subscribe",
            subject=f"package:{plan.code}",
            reason="demo",
            detail={"from": month_date.isoformat(), "meters": count},
        )
    # The columns of `sim smsc`'s charging records.
    RecordFormat.objects.create(
        operator=operator,
        delimiter=",",
        price_column="price_idr",
        at_format="%Y-%m-%dT%H:%M:%S%z",
        zone="UTC",
    )


def _holder(known: Holder) -> AccountHolder:
    holder = AccountHolder.objects.create(
        name=known.name,
        kind=AccountHolder.Kind.COMPANY if known.company else AccountHolder.Kind.HOUSEHOLD,
        language=known.language,
    )
    set_pin(holder=holder, pin=known.pin)
    return holder


def _meter(
    world: World,
    known: TownMeter,
    holder: AccountHolder,
    hangs: Hangs,
    store: FileKeyStore,
    operator: Organisation,
    since: datetime,
) -> None:
    meter = Meter.objects.create(
        drn=known.drn,
        pan=known.pan,
        profile=known.profile,
        customer=Customer.objects.create(
            idpel=known.idpel, name=known.site.name if known.site else known.holder.name, holder=holder
        ),
        transformer=hangs.transformer,
        phase=hangs.phase,
        tariff_group=known.tariff_group,
        region=known.region,
        contracted_va=known.contracted_va,
        low_credit_threshold_wh=known.threshold_wh,
        reporting_plan=plan.values() if (plan := reporting_of(world.seed, known)) is not None else None,
        system_title=known.system_title,
        dlms_keys_wrapped=wrap_meter_keys(store, known.drn, MeterKeys(known.ek, known.ak, known.mk)),
        sts_register=REGISTER,
        sgc=known.sts.sgc,
        ti=known.sts.ti,
        krn=known.sts.krn,
        kt=known.sts.kt,
        ken=known.sts.ken,
        base_date=known.sts.base_date,
        dkga=known.sts.dkga,
        ea=known.sts.ea,
    )
    InvocationCounter.objects.create(meter=meter)
    if known.site is not None:
        Site.objects.create(
            holder=holder, meter=meter, alias=known.site.alias, name=known.site.name, kind=known.site.kind
        )
    pair(
        meter=meter,
        sim=Sim.objects.create(iccid=known.iccid, msisdn=known.msisdn, operator=operator, state_at=since),
        modem=Modem.objects.create(imei=known.imei),
        phone=known.holder.phone,
        since=since,
        active=True,
        actor="stage",
        now=since,
    )
