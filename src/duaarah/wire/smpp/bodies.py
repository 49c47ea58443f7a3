# SPDX-License-Identifier: Apache-2.0
"""The bodies of SMPP 3.4's PDUs (chapter 4) as frozen records; octets are made of them in `pdu`.

C-octet strings are `str` of Latin-1 without the NUL; short_message and TLV values are octets as they travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from duaarah.wire.smpp.commands import RESPONSE, Command, Tag

INTERFACE_VERSION = 0x34


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Any PDU without its header; `tlvs` are (tag, value) pairs in the order of the wire."""

    command_id: ClassVar[int]
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first TLV with this tag."""
        for found, value in self.tlvs:
            if found == tag:
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(Body):
    """4.1: who asks to be bound, and for which addresses."""

    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiver(Bind):
    command_id = Command.BIND_RECEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitter(Bind):
    command_id = Command.BIND_TRANSMITTER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiver(Bind):
    command_id = Command.BIND_TRANSCEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindResp(Body):
    system_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiverResp(BindResp):
    command_id = Command.BIND_RECEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitterResp(BindResp):
    command_id = Command.BIND_TRANSMITTER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiverResp(BindResp):
    command_id = Command.BIND_TRANSCEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbind(Body):
    command_id = Command.OUTBIND
    system_id: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind(Body):
    command_id = Command.UNBIND


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindResp(Body):
    command_id = Command.UNBIND_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLink(Body):
    command_id = Command.ENQUIRE_LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLinkResp(Body):
    command_id = Command.ENQUIRE_LINK_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericNack(Body):
    command_id = Command.GENERIC_NACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed(Body):
    """What every request that carries a message names."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Addressed):
    """4.4.1 and 4.6.1: submit_sm and deliver_sm have the same fields."""

    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""

    @property
    def payload(self) -> bytes:
        """The message's octets, wherever they travelled: short_message, or the TLV message_payload."""
        return self.short_message or self.tlv(Tag.MESSAGE_PAYLOAD) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSm(Message):
    command_id = Command.SUBMIT_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSm(Message):
    command_id = Command.DELIVER_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSm(Addressed):
    """4.7.1: the message travels in the TLV message_payload only."""

    command_id = Command.DATA_SM

    @property
    def payload(self) -> bytes:
        """The message's octets."""
        return self.tlv(Tag.MESSAGE_PAYLOAD) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageIdResp(Body):
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSmResp(MessageIdResp):
    command_id = Command.SUBMIT_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSmResp(MessageIdResp):
    command_id = Command.DELIVER_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSmResp(MessageIdResp):
    command_id = Command.DATA_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySm(Body):
    command_id = Command.QUERY_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySmResp(Body):
    command_id = Command.QUERY_SM_RESP
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSm(Body):
    command_id = Command.CANCEL_SM
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSmResp(Body):
    command_id = Command.CANCEL_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSm(Body):
    command_id = Command.REPLACE_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSmResp(Body):
    command_id = Command.REPLACE_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotification(Body):
    command_id = Command.ALERT_NOTIFICATION
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""


KINDS: dict[int, type[Body]] = {
    int(kind.command_id): kind
    for kind in (
        BindReceiver,
        BindTransmitter,
        BindTransceiver,
        BindReceiverResp,
        BindTransmitterResp,
        BindTransceiverResp,
        Outbind,
        Unbind,
        UnbindResp,
        EnquireLink,
        EnquireLinkResp,
        GenericNack,
        SubmitSm,
        SubmitSmResp,
        DeliverSm,
        DeliverSmResp,
        DataSm,
        DataSmResp,
        QuerySm,
        QuerySmResp,
        CancelSm,
        CancelSmResp,
        ReplaceSm,
        ReplaceSmResp,
        AlertNotification,
    )
}


def response_to(command_id: int) -> type[Body] | None:
    """The kind that answers this request; None when nothing does."""
    return KINDS.get(command_id | RESPONSE) if not command_id & RESPONSE else None
