"""Train this example's model on customers made up from a fixed seed: ``python examples/churn/train.py``."""

import sys
from pathlib import Path

import lightgbm
import numpy as np

HERE = Path(__file__).parent
MODEL = HERE / "model" / "churn.txt"
SEED = 20260101
SETTINGS = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.15,
    "seed": SEED,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}

sys.dont_write_bytecode = True  # what is in code/ goes into the image
sys.path.insert(0, str(HERE / "code"))
import features  # noqa: E402


def customers(count):
    """Make up customers, and whether each left: the new, dear, often calling and loosely bound leave more."""
    random = np.random.default_rng(SEED)
    people, left = [], []
    for _ in range(count):
        person = {
            "tenure_months": int(random.integers(0, 73)),
            "monthly_charge": round(20 + 100 * random.random(), 2),
            "support_calls": int(random.integers(0, 8)),
            "contract": list(features.CONTRACTS)[random.integers(0, 3)],
            "pays_automatically": bool(random.random() < 0.5),
        }
        tenure, charge, calls, contract, automatic, _ = features.row(person)
        logit = -2.0 - 0.08 * tenure + 0.05 * charge + 0.6 * calls - 0.12 * contract - 1.0 * automatic
        people.append(person)
        left.append(random.random() < 1 / (1 + np.exp(-logit)))
    return people, np.array(left)


def main():
    """Fit on three quarters of the customers, say how many of the rest are told right, save the trees."""
    people, left = customers(4000)
    rows = np.array([features.row(person) for person in people])
    train = lightgbm.Dataset(rows[:3000], left[:3000], feature_name=features.NAMES)
    booster = lightgbm.train(SETTINGS, train, num_boost_round=40)
    MODEL.parent.mkdir(exist_ok=True)
    booster.save_model(MODEL)
    right = (booster.predict(rows[3000:]) > 0.5) == left[3000:]
    print(f"right about {right.mean():.1%} of 1000 held-out customers, {left[3000:].mean():.1%} of whom left")
    print(f"wrote {MODEL}, {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
