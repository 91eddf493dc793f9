"""Make tables, picture and README of the study from its record and its confirmation: `python -m studies.robust`."""

from __future__ import annotations

import pandas as pd

from studies.robust import changes, confirmation, domain, figure, protocol, readme, record, verdicts
from studies.robust.record import HERE


def main() -> None:
    """Write `tables/`, `frontier.svg` and `README.md` next to this file; takes minutes, mostly of resampling."""
    declared, rows = protocol.read(), record.read()
    grounds = record.grounds(rows, declared)
    tables = {
        "frontier": _joined({name: changes.frontier(part, declared.margin) for name, part in grounds.items()}),
        "against-r1": _joined({name: changes.against_baseline(part) for name, part in grounds.items()}),
        "against-r1-dev": _joined({name: _dev(part) for name, part in grounds.items()}),
        "out-of-domain": _joined({name: domain.out_of_domain(part) for name, part in grounds.items()}),
        "verdicts": verdicts.judge(rows, declared),
        "confirmation": confirmation.table(confirmation.read()),
    }
    (HERE / "tables").mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(HERE / "tables" / f"{name}.csv", index=False, float_format="%.5f", lineterminator="\n")
    points = tables["frontier"].query("ground == 'exploratory'")
    (HERE / "frontier.svg").write_text(figure.frontier(points), encoding="utf-8")
    (HERE / "README.md").write_text(readme.rendered(), encoding="utf-8")


def _dev(rows: pd.DataFrame) -> pd.DataFrame:
    """Comparison on the dev queries that r5 was composed on, of fold 0; those of others are among its test queries."""
    return changes.against_baseline(rows[(rows["fold"] == 0) & (rows["seed"] < 2)], "dev")


def _joined(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of all grounds as one, with columns for the ground and the cell in words."""
    rows = pd.concat([part.assign(ground=name) for name, part in parts.items()], ignore_index=True)
    cells = [record.label(*key) for key in rows[record.CELL].itertuples(index=False)]
    others = [name for name in rows if name not in ("ground", *record.CELL)]
    return rows.assign(cell=cells)[["ground", "cell", *others]]


if __name__ == "__main__":
    main()
