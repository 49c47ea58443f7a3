"""A channel that sells tokens elsewhere and tells of them in files, written here a second time from the guide's words."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

from tests.flows.house import CONFIGURATION, START, VENDING_KEY, WIB, House, Town

from duaarah.core.sts import DecoderKey, derive, issue_electricity_credit, tid_at
from duaarah.vending.models import Channel
from duaarah.wiring.keystores import wrap_channel_secret

SECRET = bytes(range(60, 92))
ENERGY_WH = 33_600
LOCAL = START.astimezone(WIB).replace(tzinfo=None)
HEAD = "notification_id,drn,idpel,token,amount_idr,sold_at"


class FileBank:
    def __init__(self, town: Town, code: str = "ATM", secret: bytes = SECRET) -> None:
        self.town, self.code, self.secret = town, code, secret
        self.channel = Channel.objects.create(
            code=code, name=code, kind="ELSEWHERE", secret_wrapped=wrap_channel_secret(town.store, code, secret)
        )

    @staticmethod
    def token(house: House, minutes: int = 0) -> str:
        key = DecoderKey("07", derive(VENDING_KEY, CONFIGURATION, house.meter.pan))
        tid = tid_at(LOCAL + dt.timedelta(minutes=minutes), 2014)
        return issue_electricity_credit(key, energy_wh=ENERGY_WH, tid=tid, rnd=5, ken=255).digits

    def row(self, house: House, number: int, **changed: str) -> str:
        said = {
            "notification_id": f"sale-{number}",
            "drn": house.meter.drn,
            "idpel": "",
            "token": "",
            "amount_idr": "50000",
            "sold_at": "2026-02-16T08:00:00+07:00",
            **changed,
        }
        said["token"] = said["token"] or self.token(house, number)
        return ",".join(said.values())

    def file(
        self,
        rows: list[str],
        *,
        batch: str = "B1",
        head: str = "",
        count: int | None = None,
        total: int | None = None,
        ending: str = "\n",
        columns: str = HEAD,
    ) -> bytes:
        """A whole file with its true trailer, or with another count or sum in it (signed all the same)."""
        amounts = [row.split(",")[4] for row in rows if row.count(",") == 5]
        total = sum(int(a) for a in amounts if a.isdigit()) if total is None else total
        lines = [head or f"duaarah-tokens,1,{self.code},{batch},2026-02-16", columns, *rows]
        body = ending.join([*lines, f"end,{len(rows) if count is None else count},{total},"]).encode()
        mac = hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        return body + f"v1={mac}{ending}".encode()
