"""Fit the weights by which a text that no rule knows is told as a refusal: texts in, `data/refusal_weights.json` out.

    python benchmarks/refusal_weights.py

Logistic regression with an L2 penalty over runs of two to five characters, beside what a rule adds. The line is drawn
on texts that the weights have not seen (each a tenth of them), so that no more than 1 in 100 of the usual replies lies
above it; those that were written to look like refusals aren't counted for it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import optimize, sparse

from empathic import files
from empathic.teacher import refusals

ROOT = Path(__file__).parent.parent
TEXTS, EXAM = (ROOT / "tests" / "teacher" / "data" / name for name in ("refusals-written.jsonl", "refusals.jsonl"))
OUT = ROOT / "empathic" / "data" / "refusal_weights.json"
PENALTY, KEPT, SEEN = 0.1, 20000, 2  # runs: so many are kept, and none of fewer texts
EVERYDAY, WEIGHT = 4000, 0.2  # English replies beside, and what one weighs
ALARMS, FOLDS = 1 / 100, 10


def main() -> None:
    """Fit, draw the line and write the file."""
    texts, labels, weights, usual = read()
    ruled = np.array([bool(refusals.by_rule(text)[0]) for text in texts])
    rows = [refusals.runs(text) for text in texts]
    folds = np.random.default_rng(0).integers(0, FOLDS, len(texts))
    scores = np.zeros(len(texts))
    for fold in range(FOLDS):
        inside = folds != fold
        seen = [row for row, is_in in zip(rows, inside, strict=True) if is_in]
        found = fit(seen, ruled[inside], labels[inside], weights[inside])
        for place in np.flatnonzero(~inside):
            scores[place] = refusals.score(rows[place], bool(ruled[place]), found)
    line = float(np.quantile(scores[(labels == 0) & usual], 1 - ALARMS))
    ours = weights == 1
    for name, of in (("usual", usual), ("other", ours & ~usual)):
        shares = [f"{np.mean(scores[of & (labels == is_one)] > line):.1%}" for is_one in (1, 0)]
        print(f"{sum(of)} {name} texts, unseen, above {line:.2f}: {shares[0]} of refusals, {shares[1]} of replies")
    print(f"of everyday's replies {np.mean(scores[~ours] > line):.2%}")
    found = {run: round(weight, 3) for run, weight in fit(rows, ruled, labels, weights).items()}
    files.write_text(OUT, json.dumps({"line": round(line, 2), "weights": found}, ensure_ascii=False, indent=0) + "\n")


def read() -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Texts, whether they are refusals, what they weigh, and whether they were written as models usually answer."""
    written = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    exam = [json.loads(line) for line in EXAM.read_text(encoding="utf-8").splitlines()][::2]  # the half that is seen
    everyday = [
        row[name]
        for path in sorted((ROOT / "empathic" / "data" / "everyday").glob("*.jsonl"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        for name in ("short", "direct")
        if name in row and not refusals.by_rule(row[name])[0]  # some say in truth that they are programs
    ]
    sample = random.Random(0).sample(everyday, EVERYDAY)
    texts = [*(row["text"] for row in written), *(row["reply"] for row in exam), *sample]
    labels = [*(row["refusal"] for row in written), *(row["bad"] for row in exam), *(False for _ in sample)]
    weights = np.array([1.0] * (len(texts) - EVERYDAY) + [WEIGHT] * EVERYDAY)
    usual = np.array([row.get("usual", False) for row in written] + [False] * (len(texts) - len(written)))
    return texts, np.array(labels, float), weights, usual


def fit(rows: list[set[str]], ruled: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """The weights of the runs that weigh most, and of "" for all texts."""
    counts = Counter(run for row in rows for run in row)
    names = sorted(run for run, count in counts.items() if count >= SEEN)
    first = _solved(rows, names, ruled, labels, weights)
    names = sorted(sorted(names, key=lambda name: -abs(first[name]))[:KEPT])
    return _solved(rows, names, ruled, labels, weights)


def _solved(
    rows: list[set[str]], names: list[str], ruled: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    place = {name: number for number, name in enumerate(names)}
    found = [[place[run] for run in row if run in place] for row in rows]
    ends = np.cumsum([0, *map(len, found)])
    values = [1 / np.sqrt(max(1, len(row))) for row in found for _ in row]
    matrix = sparse.csr_matrix((values, np.concatenate(found).astype(int), ends), (len(rows), len(names)))

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        logits = matrix @ weight[:-1] + weight[-1] + refusals.RULE * ruled
        wrong = weights * (1 / (1 + np.exp(-logits)) - labels)
        total = (
            weights @ np.logaddexp(0, np.where(labels > 0, -logits, logits)) + PENALTY / 2 * weight[:-1] @ weight[:-1]
        )
        return float(total), np.append(matrix.T @ wrong + PENALTY * weight[:-1], wrong.sum())

    best = optimize.minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return {"": float(best[-1]), **dict(zip(names, map(float, best), strict=False))}


if __name__ == "__main__":
    main()
