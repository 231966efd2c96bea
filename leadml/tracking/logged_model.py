"""A contender as an MLflow model from code: MLflow runs this file, which reads what lies beside it.

A card is JSON. What is no card is a scikit-learn classifier, kept by joblib.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

# What scores travels with the model, for where leadml is not installed; where it is, that comes first,
# since a part of a package must not hide the whole.
sys.path.append(str(Path(__file__).parent / "code" / "leadml.zip"))


class LoggedModel(PythonModel):
    """Judge leads as a contender does."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the card, or load the classifier.

        Parameters
        ----------
        context : PythonModelContext
            Knows where it is.
        """
        self.card: Any = None
        self.fitted: Any = None
        if "card.json" in context.artifacts:
            from leadml.card import load_card

            self.card = load_card(context.artifacts["card.json"])
        else:
            from leadml.estimators.fitted import load_fitted

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
            Levels 0 to 4 by criterion, NaN or an absent column for unknown; beside them facts that caveats
            ask for, or context columns.
        params : dict or None
            Not used.

        Returns
        -------
        DataFrame
            Of a card the columns of ``leadml predict``, without the lead's identity; of what is no card
            ``probability`` and ``decision``.
        """
        if self.card is None:
            return pd.DataFrame(self.fitted.predict(model_input))
        wanted = {fact for caveat in self.card.caveats for fact in caveat.when}
        facts = {fact: model_input[fact].tolist() for fact in wanted if fact in model_input}
        return pd.DataFrame(self.card.score(model_input, facts).to_pandas())


set_model(LoggedModel())
