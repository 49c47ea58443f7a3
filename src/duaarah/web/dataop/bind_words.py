# SPDX-License-Identifier: Apache-2.0
"""The bind form in words: each field's label and help, each problem's sentence, each outcome of a trial."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from duaarah.sms.models import BindTrial
from duaarah.web.dataop.words import status_name

LABELS = {
    "name": (
        _("Name"),
        _("Small letters, digits and hyphens, such as opsel-1. It stays: queues and the password are tied to it."),
    ),
    "kind": (
        _("Bind type"),
        _("A transceiver does both over one connection; a pair is two links of one group, where the SMSC wants it so."),
    ),
    "bind_group": (_("Group"), _("Links of one group share receipts and redeliveries. Empty: by itself.")),
    "active": (_("Switched on"), ""),
    "host": (_("Host"), _("Name or IP address of the SMSC, without port.")),
    "port": (_("Port"), _("2775 is usual, 3550 with TLS; your operator says which.")),
    "tls": (_("TLS"), _("Encrypt the connection. Without it the password crosses the network readable.")),
    "tls_ca": (
        _("Certificate authority"),
        _("PEM text of the operator's own authority. Empty: the authorities of this system."),
    ),
    "tls_pin": (
        _("Pinned certificate"),
        _("SHA-256 of the certificate, 64 hex digits. It takes the place of the authority and the name."),
    ),
    "system_id": ("system_id", _("The account's name, as the operator gave it; 15 characters at most.")),
    "password": (
        _("Password"),
        _("Kept encrypted, never shown again. The specification allows 8 characters; 32 are taken."),
    ),
    "system_type": ("system_type", _("Mostly empty; some operators give one.")),
    "address_range": (
        _("Address range"),
        _("Which numbers this link receives for, such as ^(3123|8123)$. Mostly empty."),
    ),
    "short_codes": (
        _("Short codes"),
        _("Numbers that SMS are sent from and received at, 3 to 8 digits each, by commas: 3123, 8123."),
    ),
    "service_type": (
        "service_type",
        _("What every SMS carries so that the operator charges it rightly. Mostly empty."),
    ),
    "tariffs": (
        _("Tariff by short code"),
        _("service_type of SMS from one short code, such as 3123=PREM, 8123=SOC. Others carry the one above."),
    ),
    "short_code_ton": (_("TON of short codes"), ""),
    "short_code_npi": (_("NPI of short codes"), ""),
    "msisdn_ton": (_("TON of phone numbers"), ""),
    "msisdn_npi": (_("NPI of phone numbers"), ""),
    "default_alphabet": (
        _("Alphabet of data_coding 0"),
        _("Nearly always GSM. Try @ and _ in a test SMS to find out."),
    ),
    "long_text": (
        _("Longer texts"),
        _(
            "In parts every part is one SMS of ours. Whole only where the SMSC takes message_payload: it cuts and charges."
        ),
    ),
    "window": (
        _("Window"),
        _("SMS without an answer at once, 1 to 1,000. 10 to 50 is usual; more than the operator grants is refused."),
    ),
    "tps_max": (_("SMS a second"), _("The rate in your contract, 1 to 10,000. It is not exceeded in any second.")),
    "enquire_link_s": (
        _("enquire_link after (seconds)"),
        _("Silence after which we ask whether the SMSC is there, 5 to 600."),
    ),
    "response_timeout_s": (_("Wait for a response (seconds)"), _("Then an SMS counts as of unknown outcome, 1 to 59.")),
    "attempts_max": (
        _("Attempts"),
        _(
            "How often an SMS goes again after a system error (0x04, 0x08, 0x45, 0x64), 1 to 50. Throttling has no limit."
        ),
    ),
    "bind_refusals_max": (
        _("Refused binds"),
        _("So many wrong passwords or system_ids in a row and the link stops, so that the account is not locked."),
    ),
    "id_base": (
        _("Message ids"),
        _("How ids in receipts are written against those in responses. Unknown is for finding out only."),
    ),
    "receipt_dialect": (_("Receipts"), _("Where the SMSC writes a receipt's id and state.")),
    "receipt_zone": (_("Time zone of receipts"), _("The zone of their done date.")),
}
GROUPS = (
    (_("Which link"), ("name", "operator", "kind", "bind_group")),
    (_("Where"), ("host", "port", "tls", "tls_ca", "tls_pin")),
    (_("As whom"), ("system_id", "password", "system_type", "address_range")),
    (
        _("Pace and patience"),
        ("window", "tps_max", "enquire_link_s", "response_timeout_s", "attempts_max", "bind_refusals_max"),
    ),
    (
        _("Numbers"),
        (
            "short_codes",
            "service_type",
            "tariffs",
            "short_code_ton",
            "short_code_npi",
            "msisdn_ton",
            "msisdn_npi",
            "default_alphabet",
            "long_text",
        ),
    ),
    (_("Receipts"), ("id_base", "receipt_dialect", "receipt_zone")),
)
PROBLEMS = {
    "number": _("Write a whole number."),
    "range_port": _("A port is 1 to 65535."),
    "range_window": _("A window is 1 to 1,000."),
    "range_tps_max": _("The rate is 1 to 10,000 SMS a second."),
    "range_enquire_link_s": _("5 to 600 seconds."),
    "range_response_timeout_s": _("1 to 59 seconds."),
    "response_after_lease": _("That is too long: an SMS counts as of unknown outcome before it."),
    "range_attempts_max": _("1 to 50 attempts."),
    "range_bind_refusals_max": _("1 to 50 refusals."),
    "range_ton": _("A TON is 0 to 6."),
    "npi": _("This is no NPI of SMPP 3.4."),
    "choice": _("Choose one of the list."),
    "ascii": _("Only printable ASCII characters: letters, digits, signs."),
    "long_system_id": _("15 characters at most."),
    "long_system_type": _("12 characters at most."),
    "long_service_type": _("5 characters at most."),
    "long_address_range": _("40 characters at most."),
    "name_form": _("1 to 36 small letters, digits or hyphens; no hyphen at either end."),
    "name_taken": _("A link of this name is there already."),
    "system_id_missing": _("The operator gave you a system_id: write it here."),
    "zone": _("This time zone is not known."),
    "host_form": _("This is neither a host name nor an IP address. Write it without port and without https://."),
    "pin_form": _("A pin is 64 hex digits."),
    "ca_form": _("This is no certificate in PEM form (-----BEGIN CERTIFICATE-----)."),
    "tls_off": _("It has no effect without TLS: switch TLS on, or empty this field."),
    "short_codes_missing": _("Give at least one short code."),
    "short_code_form": _("A short code is 3 to 8 digits."),
    "short_codes_many": _("Each short code once, 20 at most."),
    "tariff_form": _("Write short code = service_type, such as 3123=PREM; a service_type is 1 to 5 letters or digits."),
    "tariff_code": _("A tariff is for one of this link's short codes."),
    "password_missing": _("A new link needs its password."),
    "password_long": _("32 characters at most."),
    "operator": _("Choose the mobile operator."),
    "reason": _("Say why, in at most 400 letters."),
    "nothing_changes": _("Nothing is different from what is there."),
}
OUTCOMES = {
    "bound": _("Bound: the SMSC took these values and answered, in %(ms)d ms."),
    "refused": _("The SMSC refuses the bind: %(why)s (%(status)s)."),
    "unknown_host": _("Nobody knows this host name: look at its spelling, and at the DNS of this machine."),
    "no_route": _("There is no way to this address: a route, a VPN or a firewall is missing."),
    "connection_refused": _("The machine is there, but nothing listens at this port."),
    "tls_untrusted": _(
        "The SMSC's certificate is not valid for this host or not from a trusted authority. The password was not sent."
    ),
    "tls_pin": _("The SMSC shows another certificate than the pinned one. The password was not sent."),
    "tls_failed": _("The SMSC does not speak TLS at this port, or none that we speak. The password was not sent."),
    "timeout": _("No connection within 15 seconds: a firewall swallows it, or the address is wrong."),
    "silent": _("Connected, but no answer within 15 seconds: perhaps this port speaks another protocol, or wants TLS."),
    "closed": _(
        "The SMSC closed the connection without an answer: often it does not know our IP address, or it wants TLS."
    ),
    "no_smpp": _("What answers there does not speak SMPP: perhaps the port is another, or wants TLS."),
    "no_password": _("The password cannot be read with the key file of the links worker. Write it anew."),
    "lost": _("The links worker ended during the trial. Nobody knows its outcome; it is not repeated by itself."),
    "unheard": _("No links worker took the trial within a minute: is one running? Nothing was sent."),
}
# command_status of a bind_resp, SMPP v3.4 section 5.1.3, as the reason of a sentence.
STATUS_WORDS = {
    0x04: _("this account may not bind in this way"),
    0x05: _("this account is bound already"),
    0x08: _("its own system error"),
    0x0D: _("the bind failed"),
    0x0E: _("the password is wrong"),
    0x0F: _("the system_id is not known"),
    0x14: _("its queue is full"),
    0x58: _("too many requests"),
}
ONE_SESSION = (0x05, 0x0D)
TON = {
    0: _("unknown"),
    1: _("international"),
    2: _("national"),
    3: _("of the network"),
    4: _("subscriber"),
    5: _("alphanumeric"),
    6: _("abbreviated"),
}
NPI = {
    0: _("unknown"),
    1: "E.164",
    3: "X.121",
    4: "F.69",
    6: "E.212",
    8: _("national"),
    9: _("private"),
    10: "ERMES",
    14: "IP",
    18: "WAP",
}


def problem(code: str) -> str:
    """A problem's sentence in the reader's language."""
    return str(PROBLEMS.get(code, code))


def outcome_words(trial: BindTrial) -> str:
    """What came of a trial, in one sentence; empty while it is under way."""
    if trial.state != BindTrial.State.DONE:
        return ""
    status = trial.status or 0
    why = STATUS_WORDS.get(status, _("for a reason of its own"))
    words = {"ms": trial.took_ms or 0, "why": why, "status": status_name(status)}
    return (
        gettext(str(OUTCOMES.get(trial.outcome, trial.outcome))) % words
        if trial.outcome in ("bound", "refused")
        else str(OUTCOMES.get(trial.outcome, trial.outcome))
    )
