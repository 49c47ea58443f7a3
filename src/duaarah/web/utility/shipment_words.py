# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a maker's file, in sentences."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

COLUMNS = {
    "drn": gettext_lazy("Meter number (DRN)"),
    "profile": gettext_lazy("Kind of meter"),
    "system_title": gettext_lazy("System title"),
    "encryption": gettext_lazy("Encryption key"),
    "authentication": gettext_lazy("Authentication key"),
    "base_date": gettext_lazy("Base date"),
    "firmware": gettext_lazy("Firmware"),
}
CELLS = {
    "drn": gettext_lazy("It is 11 or 13 digits, the last one a check digit."),
    "system_title": gettext_lazy("It is 16 hex digits."),
    "encryption": gettext_lazy("It is 32 hex digits, or 48 when wrapped."),
    "authentication": gettext_lazy("It is 32 hex digits, or 48 when wrapped."),
    "sgc": gettext_lazy("It is 6 digits."),
    "krn": gettext_lazy("It is a number from 1 to 9."),
    "ti": gettext_lazy("It is 2 digits."),
    "kt": gettext_lazy("It is a number from 0 to 3."),
    "ken": gettext_lazy("It is a number from 0 to 255."),
    "base_date": gettext_lazy("It is 1993, 2014 or 2035."),
    "dkga": gettext_lazy("It is 02 or 04."),
    "ea": gettext_lazy("It is 07 or 11."),
    "imei": gettext_lazy("It is 15 digits, the last one a check digit (or 16 digits)."),
    "iccid": gettext_lazy("It is 19 or 20 digits, the last one a check digit; format the column as text."),
    "firmware": gettext_lazy("It is at most 40 plain characters."),
}
FAULTS = {
    "empty": gettext_lazy("This cell is empty."),
    "unknown_profile": gettext_lazy("No kind of meter of this name is known here."),
    "bad_configuration": gettext_lazy("These STS values do not fit each other."),
    "no_register": gettext_lazy("No key register here serves this SGC, KRN, KT and base date."),
    "weak_keys": gettext_lazy("Both keys are the same, or a key is one octet repeated."),
    "clear_key": gettext_lazy("The key is not wrapped; a key in clear is not taken here."),
    "no_transport_key": gettext_lazy("Nobody has entered this maker's transport key."),
    "not_opened": gettext_lazy("The key does not open with this maker's transport key."),
}
KNOWN = {
    "drn": gettext_lazy("This meter is in the registry already."),
    "system_title": gettext_lazy("Another meter has this system title."),
    "imei": gettext_lazy("This modem is in the registry already."),
}
TABLES = {
    "empty": gettext_lazy("The file holds no meter."),
    "too_large": gettext_lazy("The file is too large; send it in parts."),
    "too_many_rows": gettext_lazy("The file has too many rows; send it in parts."),
    "not_a_table": gettext_lazy("This is neither CSV nor XLSX that can be read."),
    "column_twice": gettext_lazy("Two columns of the file have the same meaning."),
}
REFUSALS = {
    "shipment_wrong": gettext_lazy("Some rows are wrong. Nothing was taken up."),
    "shipment_closed": gettext_lazy("This shipment is closed. Nothing was changed."),
    "shipment_stale": gettext_lazy("The registry has changed since this file was read; read it again."),
}


def fault_words(fault: dict[str, Any]) -> dict[str, str]:
    """The column and the sentence of one fault."""
    column, code = fault["column"], fault["code"]
    if code == "twice":
        sentence = _("The same stands in row %(row)s.") % {"row": fault["same_as"]}
    elif code == "known":
        sentence = str(KNOWN[column])
    else:
        sentence = str(CELLS[column] if code == "bad_cell" else FAULTS[code])
    return {"column": str(COLUMNS.get(column, column.upper())), "sentence": sentence}


def table_words(code: str, message: str) -> str:
    """Why a file was not read; a missing column is named as the file's heading would have to name it."""
    if code == "column_missing":
        return _("The first row lacks columns: %(names)s") % {"names": message.partition(": ")[2]}
    return str(TABLES[code])
