# SPDX-License-Identifier: Apache-2.0
"""What meters are told and what they tell. A Command row is the queue, an Attempt the deed, the meter's word the outcome."""

from __future__ import annotations

from django.db import models

from duaarah.headend.bearer_models import MeterReach, MeterRead, NetworkPace
from duaarah.headend.campaign_models import Campaign, CampaignItem
from duaarah.headend.firmware_models import Firmware, FirmwareJob, FirmwareRollout
from duaarah.headend.gateway_models import GatewayRefusal, InboundFrame
from duaarah.headend.key_models import KeyRotation
from duaarah.headend.line_models import MeterLine
from duaarah.headend.order_models import MeterState
from duaarah.headend.shipment_models import Maker, Shipment, ShipmentRow
from duaarah.headend.status_models import CounterGap, MeterStatus
from duaarah.registry.models import Meter
from duaarah.sms.models import InboundSms, OutboundSegment

__all__ = [
    "Attempt",
    "Campaign",
    "CampaignItem",
    "Command",
    "CounterGap",
    "Firmware",
    "FirmwareJob",
    "FirmwareRollout",
    "GatewayRefusal",
    "InboundFrame",
    "InvocationCounter",
    "KeyRotation",
    "Maker",
    "MeterEvent",
    "MeterLine",
    "MeterReach",
    "MeterRead",
    "MeterState",
    "MeterStatus",
    "NetworkPace",
    "Shipment",
    "ShipmentRow",
]


class Command(models.Model):
    """One order to one meter; closed only by the meter's own authenticated answer or by its expiry."""

    class Kind(models.TextChoices):
        LOAD_CREDIT = "LOAD_CREDIT", "Load a token"
        LOAD_KEY = "LOAD_KEY", "Load a part of a new key"
        SET_THRESHOLD = "SET_THRESHOLD", "Set the low-credit threshold"
        SET_PLAN = "SET_PLAN", "Set the reporting plan"
        RELAY_OPEN = "RELAY_OPEN", "Switch off"
        RELAY_CLOSE = "RELAY_CLOSE", "Switch on"
        POWER_LIMIT = "POWER_LIMIT", "Set the power limit"
        TEMPORARY_SUPPLY = "TEMPORARY_SUPPLY", "Temporary supply"
        TEMPORARY_DISCONNECT = "TEMPORARY_DISCONNECT", "Switch off for a time"
        CLEAR_TAMPER = "CLEAR_TAMPER", "Clear tamper"
        CLEAR_CREDIT = "CLEAR_CREDIT", "Clear the credit"
        TARIFF = "TARIFF", "Set the tariff index"
        CLOCK = "CLOCK", "Set the clock"
        PUSH_NOW = "PUSH_NOW", "Read now"
        DAY_SUMMARY = "DAY_SUMMARY", "Send a day's summary again"
        ROTATE_KEYS = "ROTATE_KEYS", "Load new DLMS keys"
        PROVE_KEYS = "PROVE_KEYS", "Ask under the new DLMS keys"
        READ_METER = "READ_METER", "Read over IP"
        READ_PROFILE = "READ_PROFILE", "Read the load profile over IP"

    class State(models.TextChoices):
        QUEUED = "QUEUED", "Waiting for its turn"
        SENT = "SENT", "Frame under way, lease open"
        ACKED = "ACKED", "Executed: the meter said so"
        REJECTED = "REJECTED", "Refused by the meter"
        EXPIRED = "EXPIRED", "Given up: no answer in time"
        CANCELLED = "CANCELLED", "Withdrawn before it was sent"

    request_id = models.UUIDField(unique=True)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="commands")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    payload = models.JSONField(help_text="The intent's fields")
    priority = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices)
    correlation = models.UUIDField()
    created_at = models.DateTimeField(help_text="Business time")
    expires_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    attempts = models.PositiveSmallIntegerField(default=0)
    attempts_max = models.PositiveSmallIntegerField()
    not_before_at = models.DateTimeField(help_text="Machine time")
    leased_at = models.DateTimeField(null=True, help_text="Machine time")
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    bundled_with = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="bundled",
        db_index=False,
        help_text="While it waits: the command in whose message it is under way",
    )
    result = models.CharField(max_length=20, blank=True, help_text="The meter's word, by the standard's name")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["meter"], name="headend_one_in_flight", condition=models.Q(state="SENT")),
            models.CheckConstraint(
                condition=models.Q(state="SENT", lease_until_at__isnull=False)
                | (~models.Q(state="SENT") & models.Q(lease_until_at=None)),
                name="headend_lease_only_while_sent",
            ),
        ]
        indexes = [
            models.Index(fields=["priority", "id"], name="headend_command_due", condition=models.Q(state="QUEUED")),
            models.Index(fields=["lease_until_at"], name="headend_command_lease", condition=models.Q(state="SENT")),
            models.Index(fields=["meter", "id"], name="headend_command_meter"),
            models.Index(
                fields=["bundled_with"], name="headend_command_bundled", condition=models.Q(bundled_with__isnull=False)
            ),
        ]


class Attempt(models.Model):
    """One frame or session for a command, under counters of its own. Append-only, partitioned by UTC month."""

    class Bearer(models.TextChoices):
        SMS = "SMS", "SMS"
        WAKE = "WAKE", "Wake-up SMS"
        IP = "IP", "IP"

    command = models.ForeignKey(Command, on_delete=models.PROTECT, related_name="attempt_rows", db_index=False)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    counter = models.BigIntegerField(help_text="Of a session: the first that was kept for it")
    key_number = models.PositiveSmallIntegerField(db_default=0, help_text="Of the keys that it was sealed with")
    segment = models.ForeignKey(OutboundSegment, null=True, on_delete=models.PROTECT, db_index=False)
    bearer = models.CharField(max_length=4, choices=Bearer.choices, db_default=Bearer.SMS, default=Bearer.SMS)
    started_at = models.DateTimeField(help_text="Machine time; the partition key")

    class Meta:
        managed = True
        indexes = [
            models.Index(fields=["meter", "counter"], name="headend_attempt_counter"),
            models.Index(fields=["command"], name="headend_attempt_command"),
        ]


class MeterEvent(models.Model):
    """What a meter reported, decoded, with both clocks. Append-only, partitioned by UTC month."""

    class Kind(models.TextChoices):
        LOW_CREDIT = "LOW_CREDIT", "Low credit"
        CREDIT_EXHAUSTED = "CREDIT_EXHAUSTED", "Credit exhausted, relay open"
        TOKEN_RESULT = "TOKEN_RESULT", "Result of a token"
        SETTING_RESULT = "SETTING_RESULT", "Answer to a setting"
        LAST_GASP = "LAST_GASP", "Supply lost"
        POWER_RESTORED = "POWER_RESTORED", "Supply restored"
        DATA_BLOCK = "DATA_BLOCK", "Register block"
        DAILY_SUMMARY = "DAILY_SUMMARY", "Summary of a day"
        RELAY_STATE = "RELAY_STATE", "Relay"
        TAMPER = "TAMPER", "Tamper"
        OVERLOAD = "OVERLOAD", "Overload"
        VOLTAGE = "VOLTAGE", "Voltage sag or swell"
        POWER_LOG = "POWER_LOG", "Log of power failures"
        MODEM_STATUS = "MODEM_STATUS", "Modem status"
        LOAD_PROFILE = "LOAD_PROFILE", "Load profile"
        UNKNOWN = "UNKNOWN", "A body that no profile describes"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    counter = models.BigIntegerField(help_text="The meter's invocation counter, authenticated")
    inbound = models.ForeignKey(
        InboundSms, on_delete=models.PROTECT, null=True, db_index=False, help_text="The SMS that carried it, or"
    )
    frame = models.ForeignKey(
        InboundFrame, on_delete=models.PROTECT, null=True, db_index=False, help_text="the frame over IP"
    )
    meter_at = models.DateTimeField(null=True, help_text="The meter's clock")
    arrived_at = models.DateTimeField(help_text="Business time")
    recorded_at = models.DateTimeField(help_text="Machine time; the partition key")
    data = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["meter", "id"], name="headend_event_meter"),
            models.Index(fields=["kind", "id"], name="headend_event_kind"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(inbound__isnull=True, frame__isnull=False)
                | models.Q(inbound__isnull=False, frame__isnull=True),
                name="headend_event_one_bearer",
            ),
        ]


class InvocationCounter(models.Model):
    """Both directions' counters of one meter (IEC 62056-5-3, 9.2.3.3): persisted before use, never used twice."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="invocation_counter")
    to_meter_latest = models.BigIntegerField(default=0)
    from_meter_highest = models.BigIntegerField(default=0)
    from_meter_bitmap = models.BinaryField(
        max_length=8, default=bytes(8), help_text="The 64 counters below, big-endian"
    )
    key_number = models.PositiveSmallIntegerField(db_default=0, help_text="Of the keys that these counters belong to")
    keys_begin = models.BinaryField(
        max_length=12, null=True, help_text="How the wrapped keys begin, once they were changed here"
    )
    gaps = models.PositiveIntegerField(default=0)
    latest_contact_at = models.DateTimeField(null=True, help_text="Business time")
    balance_wh = models.BigIntegerField(null=True, help_text="Credit as last reported")
    balance_at = models.DateTimeField(null=True, help_text="Business time of that report's arrival")
    balance_counter = models.BigIntegerField(default=0, db_default=0, help_text="The frame of that report")
