"""Train this example's model on scikit-learn's own diabetes data: ``python examples/diabetes/train.py``."""

from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODEL = Path(__file__).parent / "model" / "diabetes.joblib"


def main():
    """Fit on three quarters of the patients, say how well the rest are predicted, save the pipeline."""
    data = load_diabetes(scaled=False)
    train_x, test_x, train_y, test_y = train_test_split(data.data, data.target, random_state=0)
    model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(train_x, train_y)
    MODEL.parent.mkdir(exist_ok=True)
    joblib.dump(model, MODEL)
    print(f"R² on {len(test_y)} held-out patients: {model.score(test_x, test_y):.3f}")
    print(f"wrote {MODEL}, {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
