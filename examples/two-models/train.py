"""Train this example's models on flats made up from a fixed seed: ``python examples/two-models/train.py``."""

import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

MODELS = Path(__file__).parent / "models"
FEATURES = ["bedrooms", "km_to_beach", "rating"]
MOST_NIGHTS = 30
SEED = 20260101


def flats(count):
    """Make up flats: their features, prices and nights let. Dear flats are let less, well rated ones more."""
    random = np.random.default_rng(SEED)
    bedrooms = random.integers(1, 6, count)
    km = random.uniform(0, 10, count).round(1)
    rating = random.uniform(2.5, 5, count).round(1)
    prices = 35 + 28 * bedrooms + 90 / (1 + km) + 9 * (rating - 2.5) ** 2 + random.normal(0, 6, count)
    logs = 1.8 + 0.22 * bedrooms - 0.06 * km + 0.45 * rating - 0.011 * prices + random.normal(0, 0.1, count)
    return np.column_stack([bedrooms, km, rating]), prices, np.exp(logs).clip(0, MOST_NIGHTS)


def fit_demand(rows, prices, nights):
    """Fit the logarithm of the nights by least squares, leaving out flats that are let all month."""
    free = nights < MOST_NIGHTS
    inputs = np.column_stack([np.ones(free.sum()), rows[free], prices[free]])
    return np.linalg.lstsq(inputs, np.log(nights[free]))[0].round(8)


def main():
    """Write models/price.joblib, a single file, and models/demand, a folder."""
    rows, prices, nights = flats(2000)
    price = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), Ridge(alpha=0.1))
    price.fit(rows[:1500], prices[:1500])
    coefficients = fit_demand(rows[:1500], prices[:1500], nights[:1500])
    (MODELS / "demand").mkdir(parents=True, exist_ok=True)
    joblib.dump(price, MODELS / "price.joblib")
    np.save(MODELS / "demand" / "coefficients.npy", coefficients)
    about = {"inputs": [*FEATURES, "price"], "most_nights": MOST_NIGHTS}
    (MODELS / "demand" / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(f"price: R² on 500 held-out flats {price.score(rows[1500:], prices[1500:]):.3f}")
    print(f"demand: intercept and coefficients {coefficients.tolist()}")


if __name__ == "__main__":
    main()
