"""A card as an MLflow model from code: MLflow runs this file; the card is a JSON artifact, no pickle."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

# What scores travels with the model, for where leadml is not installed; where it is, that comes first,
# since a part of a package must not hide the whole.
sys.path.append(str(Path(__file__).parent / "code" / "leadml.zip"))

from leadml.card import load_card


class CardModel(PythonModel):
    """Score leads with a card."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the card.

        Parameters
        ----------
        context : PythonModelContext
            Knows where the card is.
        """
        self.card = load_card(context.artifacts["card.json"])

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's own signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Score leads.

        Parameters
        ----------
        context : PythonModelContext
            Not used.
        model_input : DataFrame
            Levels 0 to 4 by criterion; NaN or an absent column for unknown; facts that caveats ask for.
        params : dict or None
            Not used.

        Returns
        -------
        DataFrame
            The columns of ``leadml predict``, without the lead's identity.
        """
        wanted = {fact for caveat in self.card.caveats for fact in caveat.when}
        facts = {fact: model_input[fact].tolist() for fact in wanted if fact in model_input}
        return self.card.score(model_input, facts).to_pandas()


set_model(CardModel())
