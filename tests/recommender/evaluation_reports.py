"""Reports as `manage.py evaluate` writes them, with figures made up for tests."""

from __future__ import annotations

from typing import Any

FIGURES = {
    "hr@10": 0.36,
    "ndcg@10": 0.112,
    "precision@10": 0.042,
    "recall@10": 0.095,
    "f1@10": 0.058,
    "mrr": 0.15,
    "coverage": 0.31,
    "novelty": 8.2,
    "diversity": 0.64,
}
INTERVALS = {
    "hr@10": [0.34, 0.38],
    "ndcg@10": [0.104, 0.121],
    "precision@10": [0.039, 0.045],
    "recall@10": [0.09, 0.1],
    "f1@10": [0.054, 0.062],
}


def baseline(ndcg: float, low: float, high: float, p_value: float) -> dict[str, Any]:
    """`low` and `high` bound the strategy's NDCG minus this one's."""
    share = ndcg / FIGURES["ndcg@10"]
    figures: dict[str, Any] = {name: round(value * share, 4) for name, value in FIGURES.items()}
    figures["ndcg@10"] = ndcg
    return {
        **figures,
        "ndcg_difference": round(FIGURES["ndcg@10"] - ndcg, 4),
        "ci95_difference": [low, high],
        "p_value": p_value,
    }


def whole_report(**changes: Any) -> dict[str, Any]:
    return {
        "n": 1_840,
        "users": 812,
        **FIGURES,
        "ci95": INTERVALS,
        "baselines": {
            "pop": baseline(0.056, 0.048, 0.065, 0.0002),
            "itemknn": baseline(0.097, 0.006, 0.024, 0.004),
            "ease": baseline(0.101, 0.003, 0.019, 0.0125),
            "repeat": baseline(0.09, 0.01, 0.034, 0.0008),
        },
        "ablation": {"neighbours": 0.071, "interest": 0.109, "popular": 0.1118, "new": 0.115},
        "slices": {
            "cold": {"n": 46, "hr@10": 0.065, "ndcg@10": 0.031},
            "by_history": {
                "none": {"n": 60, "hr@10": 0.21, "ndcg@10": 0.05},
                "one": {"n": 110, "hr@10": 0.25, "ndcg@10": 0.07},
                "few": {"n": 470, "hr@10": 0.31, "ndcg@10": 0.1},
                "many": {"n": 1_200, "hr@10": 0.4, "ndcg@10": 0.124},
            },
            "repeats": {
                "in": {"n": 1_840, "hr@10": 0.36, "ndcg@10": 0.112},
                "out": {"n": 910, "hr@10": 0.2, "ndcg@10": 0.06},
            },
        },
        "weights": {
            "none": {"popular": 3.0, "new": 1.0},
            "many": {"neighbours": 0.6, "popular": 0.2, "interest": 0.1, "new": 0.1},
        },
        "weights_from": {"kind": "validation"},
        "interest_encoder": {"used": True, "before": 0.014, "after": 0.028, "p_value": 0.001},
        "fit_seconds": 41.2,
        "users_per_s": 118.0,
        "strategy": "default v1",
        "split_at": "2026-03-01T00:00:00+00:00",
        "warnings": [],
        **changes,
    }
