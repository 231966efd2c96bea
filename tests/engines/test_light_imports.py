"""Scoring with a card starts at once: it loads neither pandas, scikit-learn, scipy nor MLflow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leadml.card import build_card

HEAVY = ("altair", "joblib", "mlflow", "pandas", "scipy", "sklearn")

RUN = f"""
import json, sys
from leadml.cli import main
sys.argv = ["leadml", *sys.argv[1:]]
code = 0
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)
"""


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl", ".xlsx", "-"])
@pytest.mark.parametrize("command", ["predict", "qualify"])
def test_scoring_loads_nothing_heavy(tmp_path: Path, ending: str, command: str) -> None:
    build_card(
        name="mine",
        criteria=["authority", "need"],
        points=[[0, 1, 2, 3, 4]] * 2,
        unknown_points=[0, 1],
        documented_points=[[0, 1, 2, 3, 4]] * 2,
        bands=[{"id": "all", "title": "All", "from": 0, "action": "follow up"}],
        cutoff=0,
        created_at="2026-01-01",
        base=-1.0,
        slope=0.2,
        table=[(total, 0.1 * total, 0.0, 1.0) for total in range(9)],
        caveats=[{"id": "repeat", "text": "Less fit.", "when": {"purchase": ["repeat"]}}],
    ).save(tmp_path / "card.json")
    (tmp_path / "map.yaml").write_text(
        "name: ours\ncriteria:\n  need: {column: Need}\n"
        "  authority: {column: Role, levels: {Low: 1, High: 4}}\n"
        "facts: {purchase: {column: Kind, values: {repeat: [R]}}}\n"
    )
    (tmp_path / "in.csv").write_text("Need,Role,Kind\n1,Low,R\n9,Low,\n,High,=x\n")
    out = ending if ending == "-" else str(tmp_path / f"out{ending}")
    words = [command, str(tmp_path / "in.csv"), "--mapping", str(tmp_path / "map.yaml"), "-o", out]
    words += ["--keep-columns"]
    words += ["--model", str(tmp_path / "card.json")] if command == "predict" else []
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False)
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []], done.stderr
    assert "3 rows = 2 scored + 1 rejected" in done.stderr
    if ending == "-":
        assert done.stdout.startswith('"lead_id",')
    else:
        assert Path(out).stat().st_size > 0
