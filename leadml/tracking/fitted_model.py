"""A contender that is no card as an MLflow model: MLflow runs this file; the classifier is kept by joblib."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

# What scores travels with the model, for where leadml is not installed; where it is, that comes first,
# since a part of a package must not hide the whole.
sys.path.append(str(Path(__file__).parent / "code" / "leadml.zip"))

from leadml.estimators.fitted import load_fitted


class FittedModel(PythonModel):
    """Judge leads as the contender does."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the classifier.

        Parameters
        ----------
        context : PythonModelContext
            Knows where its files are.
        """
        self.fitted = load_fitted(context.artifacts["contender.json"])

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's own signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Judge leads.

        Parameters
        ----------
        context : PythonModelContext
            Not used.
        model_input : DataFrame
            Levels 0 to 4 by criterion and context columns; NaN or an absent column for unknown.
        params : dict or None
            Not used.

        Returns
        -------
        DataFrame
            ``probability`` and ``decision``.
        """
        return self.fitted.predict(model_input)


set_model(FittedModel())
