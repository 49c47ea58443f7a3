# SPDX-License-Identifier: Apache-2.0
"""A run as JSON (docs/records/comply.schema.json) and as one HTML file that needs nothing else and prints well."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from duaarah.stage.comply.bench import FAIL, NOT_RUN, PASS, Outcome

_WORDS = {PASS: "passed", FAIL: "failed", NOT_RUN: "not run"}
_VERDICTS = {
    "fit": "Fit",
    "remarks": "Fit with remarks",
    "unfit": "Not fit",
    "unknown": "Nothing was judged",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1f2937;background:#fff}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.score{font-size:2.5rem;font-weight:700}.facts{display:flex;gap:2.5rem;flex-wrap:wrap;margin:1rem 0}
.facts dt{color:#6b7280;font-size:.85rem}.facts dd{margin:0;font-weight:600}
table{border-collapse:collapse;width:100%}th,td{text-align:left}
th,td{vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #e5e7eb}
th{font-size:.85rem;color:#6b7280}.small{color:#6b7280;font-size:.85rem}
.pass{color:#166534}.fail{color:#b91c1c;font-weight:600}.not_run{color:#6b7280}
pre{white-space:pre-wrap;word-break:break-all;font-size:.8rem;margin:.3rem 0}
tr.failed td{background:#fef2f2}
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}
"""


def record(outcome: Outcome) -> dict[str, Any]:
    """The run as JSON values."""
    counts = {result: sum(v.result == result for v in outcome.verdicts) for result in (PASS, FAIL, NOT_RUN)}
    return {
        "target": outcome.target,
        "profile": outcome.profile,
        "started_at": outcome.started_at.isoformat(),
        "verdict": outcome.verdict,
        "score": outcome.score,
        "passed": counts[PASS],
        "failed": counts[FAIL],
        "not_run": counts[NOT_RUN],
        "defects": outcome.defects,
        "cases": [
            {
                "id": verdict.case.id,
                "title": verdict.case.title,
                "clause": verdict.case.clause,
                "weight": verdict.case.weight,
                "result": verdict.result,
                "reason": verdict.reason,
                "defect": verdict.defect,
                "duration_ms": verdict.duration_ms,
                "frames": list(verdict.frames),
            }
            for verdict in outcome.verdicts
        ],
    }


def html(outcome: Outcome) -> str:
    """The run as a page; everything that came from the meter is escaped."""
    told = record(outcome)
    facts = {
        "Meter": told["target"],
        "Profile": told["profile"],
        "Begun": told["started_at"],
        "Passed": told["passed"],
        "Failed": told["failed"],
        "Not run": told["not_run"],
        "Defects": ", ".join(told["defects"]) or "none",
    }
    listed = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items()
    )
    head = "<tr><th>Case</th><th>What is asked</th><th>Weight</th><th>Result</th><th>Reason</th></tr>"
    rows = "".join(_row(case) for case in told["cases"])
    failed = "".join(_row(case) for case in told["cases"] if case["result"] == FAIL)
    first = f"<h2>What failed</h2><table>{head}{failed}</table>" if failed else ""
    title = f"Compliance report: {escape(told['target'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f'<p class="score {"fail" if failed else "pass"}">{_VERDICTS[told["verdict"]]}</p>'
        f"<p>{told['score']} of 100 points.</p>"
        '<p class="small">Points are the weight of the cases that passed, of those that were judged. '
        "One failure of weight 5 (money, keys, supply) makes a meter unfit.</p>"
        f'<dl class="facts">{listed}</dl>{first}<h2>All cases</h2><table>{head}{rows}</table></body></html>\n'
    )


def _row(case: dict[str, Any]) -> str:
    result = case["result"]
    frames = "".join(f"{escape(frame)}\n" for frame in case["frames"])
    shown = f"<details><summary>the last frames</summary><pre>{frames}</pre></details>" if frames else ""
    defect = f'<br><span class="small">{escape(case["defect"])}</span>' if case["defect"] else ""
    return (
        f'<tr class="{"failed" if result == FAIL else ""}"><td>{escape(case["id"])}</td>'
        f'<td>{escape(case["title"])}<br><span class="small">{escape(case["clause"])}</span></td>'
        f'<td>{case["weight"]}</td><td class="{result}">{_WORDS[result]}{defect}</td>'
        f"<td>{escape(case['reason'])}{shown}</td></tr>"
    )


def write(outcome: Outcome, path: Path) -> None:
    """By its name: .html or .json. Raises ValueError for another one, OSError."""
    if path.suffix == ".html":
        path.write_text(html(outcome), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(record(outcome), indent=1) + "\n", "utf-8")
    else:
        raise ValueError(f"A report is .html or .json, not {path.name}.")
